"""Every failure in every type's listing: nothing that lives is removed, and each cell says what it is.

The estate is read into a real store once; then once more with each fault in every list call of one account, while the
other account answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.model import CellState, Ternary
from cloudops_nb.scanner.details import TAGGING_SERVICE
from cloudops_nb.scanner.resources import UNREAD
from cloudops_nb.scanner.selectors import fields
from tests.scanner.fault_matrix import (
    BOTH,
    DETAILED,
    FAULTY,
    HEALTHY,
    ITEMS,
    MANY,
    PARENTED,
    SPECS,
    TAGGED,
    cell,
    in_details,
    in_first_parent,
    in_listings,
    in_parents,
    listing_calls,
    opened,
    says_there_is_more,
)
from tests.synthetic_aws import Fault
from tests.synthetic_aws.models import paging

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.scanner import ResourceSpec
    from tests.scanner.fault_matrix import Matrix

STATES = {
    "denied": CellState.DENIED,
    "scp_denied": CellState.SCP_DENIED,
    "throttled": CellState.THROTTLED,
    "timeout": CellState.TIMEOUT,
    "reset": CellState.ERROR,
    "half": CellState.ERROR,
    "malformed": CellState.ERROR,
    "expired": CellState.EXPIRED,
    "not_opted_in": CellState.REGION_DISABLED,
    "no_endpoint": CellState.SERVICE_UNAVAILABLE,
    "empty": CellState.SUSPICIOUS_EMPTY,
}
#: What is the list call of a type; some are another type's parent listing, and fail for both.
LISTED = {listing_calls(spec)[0] for spec in SPECS}

FLAGGED = [*filter(says_there_is_more, SPECS)]


def each(specs: Sequence[ResourceSpec]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("spec", specs, ids=lambda spec: spec.resource_type)


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with opened() as matrix:
        yield matrix


@pytest.fixture(autouse=True)
def no_ambient_aws(matrix: Matrix) -> None:
    """The matrix has an environment of its own; to clean it for thousands of tests would outlast the scans."""


def expected(trouble: str, spec: ResourceSpec) -> CellState:
    # In the home region, which every account has, the codes of a region without opt-in mean bad credentials.
    if trouble == "not_opted_in" and spec.scope != "regional":
        return CellState.EXPIRED
    # botocore takes a broken body of S3 for one of S3's own failures, and tries again.
    if trouble == "half" and spec.service == "s3":
        return CellState.SERVICE_UNAVAILABLE
    # Where there is one or none, there is no list that could come without its items.
    if trouble == "empty" and spec not in MANY:
        return CellState.OK
    return STATES[trouble]


@each(SPECS)
def test_undisturbed_every_type_is_found_in_both_accounts(matrix: Matrix, spec: ResourceSpec) -> None:
    seen = matrix.before()
    for account, items in ((FAULTY, ITEMS if spec in MANY else 1), (HEALTHY, 1)):
        result = seen.results[cell(spec, account)]
        assert (result.state, result.detail) == (CellState.OK, "")
        assert len(seen.rows[cell(spec, account)]) == result.resources >= items


@each(SPECS)
@pytest.mark.parametrize("trouble", STATES)
def test_a_listing_that_fails_removes_nothing_and_says_why(matrix: Matrix, spec: ResourceSpec, trouble: str) -> None:
    before, seen = matrix.before(), matrix.after(trouble, in_listings(trouble), accounts=BOTH)
    result = seen.results[cell(spec, FAULTY)]
    assert result.state is expected(trouble, spec), result.detail
    assert seen.kept(before, cell(spec, FAULTY))


@pytest.mark.parametrize("trouble", STATES)
def test_all_other_cells_are_complete(matrix: Matrix, trouble: str) -> None:
    before, seen = matrix.before(), matrix.after(trouble, in_listings(trouble), accounts=BOTH)
    others = [key for key in before.results if key.account_id == HEALTHY]
    assert len(others) == len(SPECS)
    assert {seen.results[key].state for key in others} == {CellState.OK}
    assert all(seen.kept(before, key) for key in others)


@each(SPECS)
@pytest.mark.parametrize("trouble", ["denied", "half"])
def test_a_later_page_that_fails_leaves_the_cell_partial_with_all_its_rows(
    matrix: Matrix, spec: ResourceSpec, trouble: str
) -> None:
    before, seen = matrix.before(), matrix.after(f"later {trouble}", in_listings(trouble, later_pages=True))
    paged = any(paging(*call) for call in listing_calls(spec) if call in LISTED)
    result = seen.results[cell(spec, FAULTY)]
    assert result.state is (CellState.PARTIAL if paged else CellState.OK), result.detail
    assert seen.kept(before, cell(spec, FAULTY))


@each(FLAGGED)
def test_a_page_that_says_there_is_more_and_not_where_is_not_the_last(matrix: Matrix, spec: ResourceSpec) -> None:
    before, seen = matrix.before(), matrix.after("cut", in_listings("cut"), FLAGGED)
    assert seen.results[cell(spec, FAULTY)].state is CellState.PARTIAL
    assert seen.kept(before, cell(spec, FAULTY))


@each(PARENTED)
@pytest.mark.parametrize("trouble", ["denied", "half"])
def test_parents_that_cannot_be_listed_have_children_all_the_same(
    matrix: Matrix, spec: ResourceSpec, trouble: str
) -> None:
    before, seen = matrix.before(), matrix.after(f"parent {trouble}", in_parents(trouble), PARENTED)
    result = seen.results[cell(spec, FAULTY)]
    assert result.state is expected(trouble, spec), result.detail
    assert seen.kept(before, cell(spec, FAULTY))


@each(PARENTED)
def test_one_parent_that_fails_leaves_the_cell_partial(matrix: Matrix, spec: ResourceSpec) -> None:
    before, seen = matrix.before(), matrix.after("first parent", in_first_parent, PARENTED)
    result = seen.results[cell(spec, FAULTY)]
    assert result.state is CellState.PARTIAL, result.detail
    assert 0 < result.resources < before.results[cell(spec, FAULTY)].resources
    assert seen.kept(before, cell(spec, FAULTY))


@each(DETAILED)
@pytest.mark.parametrize(
    ("trouble", "state"),
    [("denied", CellState.OK), ("timeout", CellState.PARTIAL), ("half", CellState.PARTIAL)],
)
def test_a_detail_that_fails_leaves_its_row_and_what_depends_on_it_unknown(
    matrix: Matrix, spec: ResourceSpec, trouble: str, state: CellState
) -> None:
    before, seen = matrix.before(), matrix.after(f"detail {trouble}", in_details(trouble), DETAILED)
    place, unread = cell(spec, FAULTY), matrix.unread(spec, trouble)
    # A resource whose identity was not read is left as it was, and its cell says that it is.
    unidentified = bool(unread & (fields(spec.identifier) | fields(spec.arn or "''")))
    told = CellState.PARTIAL if unidentified else state if unread else CellState.OK
    assert seen.results[place].state is told, seen.results[place].detail
    assert seen.kept(before, place)
    for row in [] if unidentified else seen.rows[place].values():
        assert unread <= set(row.metadata.get(UNREAD, ()))
        assert_unknown(spec, row, unread)


def assert_unknown(spec: ResourceSpec, row: Resource, unread: set[str]) -> None:
    """Check that nothing is said of what depends on answers that were not read."""
    for name, selector in spec.facts.items():
        assert name not in row.constraints.facts or not unread & fields(selector), name
    for verb in ("can_start", "can_stop", "can_delete"):
        rules = getattr(spec.constraints, verb)
        if rules and rules[0].when and unread & fields(rules[0].when):
            assert getattr(row.constraints, verb).value is Ternary.UNKNOWN, verb


@each(TAGGED)
@pytest.mark.parametrize(("trouble", "state"), [("denied", CellState.OK), ("half", CellState.PARTIAL)])
def test_tags_that_cannot_be_listed_are_unread_not_absent(
    matrix: Matrix, spec: ResourceSpec, trouble: str, state: CellState
) -> None:
    faults = [Fault(trouble, FAULTY, service=TAGGING_SERVICE)]
    before, seen = matrix.before(), matrix.after(f"tags {trouble}", lambda: faults, TAGGED)
    place = cell(spec, FAULTY)
    assert seen.results[place].state is state, seen.results[place].detail
    assert seen.kept(before, place)
    assert all("tags" in row.metadata[UNREAD] for row in seen.rows[place].values())


@each(MANY)
def test_what_is_gone_is_removed_by_a_listing_that_was_complete(matrix: Matrix, spec: ResourceSpec) -> None:
    """The last of the matrix: it shows that nothing above passes because nothing is ever removed."""
    before, seen = matrix.before(), matrix.after_loss()
    place = cell(spec, FAULTY)
    assert seen.results[place].state is CellState.OK
    assert seen.rows[place].keys() < before.rows[place].keys()
