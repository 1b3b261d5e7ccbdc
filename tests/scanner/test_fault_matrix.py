"""Every failure in every call of every type: nothing that lives is removed, and each cell says what it is.

The estate is read into a real store once; then in scan after scan other types meet other faults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.declarations.selectors import fields
from cloudops_nb.model import CellState, Ternary
from cloudops_nb.scanner.reading.resource_builder import UNREAD
from cloudops_nb.specs.files import bundled_specs
from tests.scanner.bundled import bundled_by_type, bundled_spec
from tests.scanner.fault_matrix import (
    FAULTY,
    HEALTHY,
    ITEMS,
    PEACE,
    REGION,
    TROUBLES,
    Case,
    cases,
    faults_of,
    identities,
    listed,
    listing_calls,
    many,
    opened,
)
from tests.synthetic_aws import EstateOfSpecs, Fault, Listing
from tests.synthetic_aws.models import paging, protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.model import Resource
    from cloudops_nb.specs.model import ResourceSpec
    from tests.scanner.fault_matrix import Matrix, Seen

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
#: What lasts until somebody does something, so that reading again would not help.
LASTING = (CellState.DENIED, CellState.SCP_DENIED, CellState.REGION_DISABLED)


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with opened() as matrix:
        yield matrix


@pytest.fixture(autouse=True)
def no_ambient_aws(matrix: Matrix) -> None:
    """The matrix has an environment of its own, for as long as it is open."""


def every(site: str, *troubles: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [Case(site, each) for each in troubles or TROUBLES], ids=str)


def told(seen: Mapping[str, Seen], expected: Mapping[str, CellState]) -> dict[str, str]:
    """Return what is wrong with cells by type: another state than expected, or rows that were lost."""
    problems = {
        name: f"{each.result.state}, not {expected[name]}: {each.result.detail}"
        for name, each in seen.items()
        if each.result.state is not expected[name]
    }
    return problems | {name: "rows were lost" for name, each in seen.items() if not each.kept}


def listed_state(trouble: str, spec: ResourceSpec) -> CellState:
    """Return how a cell ends when its first listing call meets trouble."""
    # In the home region, which every account has, the codes of a region without opt-in mean bad credentials.
    if trouble == "not_opted_in" and spec.scope != "regional":
        return CellState.EXPIRED
    # botocore takes a broken body of S3 for one of S3's own failures, and tries again.
    if trouble == "half" and spec.service == "s3":
        return CellState.SERVICE_UNAVAILABLE
    return STATES[trouble]


def beside_state(trouble: str, spec: ResourceSpec) -> CellState:
    """Return how a cell ends that was listed to its end, but for what stands beside the list."""
    alone = listed_state(trouble, spec)
    if alone is CellState.EXPIRED:
        return alone
    return CellState.OK if alone in LASTING else CellState.PARTIAL


def test_undisturbed_every_type_is_found(matrix: Matrix) -> None:
    assert matrix.before.keys() == bundled_by_type().keys()
    for name, seen in matrix.before.items():
        assert (seen.result.state, seen.result.detail) == (CellState.OK, ""), name
        assert len(seen.rows) == seen.result.resources >= (ITEMS if bundled_spec(name) in many() else 1), name


def test_every_type_has_met_everything_that_can_happen_to_it(matrix: Matrix) -> None:
    met = {(name, case) for case, seen in matrix.after.items() for name in seen}
    assert met == {(spec.resource_type, case) for spec in bundled_specs() for case in cases(spec)}
    assert sum(case.site == "list" for _, case in met) >= len(many()) * len(TROUBLES)


def test_what_only_some_types_have_met_was_met_in_every_protocol(matrix: Matrix) -> None:
    def protocols(*troubles: str) -> set[str]:
        return {protocol(bundled_spec(name).called) for each in troubles for name in matrix.after[Case("later", each)]}

    assert {each: protocols(each) for each in TROUBLES[:-1]} == dict.fromkeys(TROUBLES[:-1], protocols(*TROUBLES[:-1]))
    # All types have their tags from one operation.
    assert all(len(matrix.after[Case("tags", each)]) > 1 for each in TROUBLES)


#: S3 says in its list where a bucket is; what happens where it does not has a test of its own.
NEEDLESS = {("s3", "HeadBucket")}


def test_undisturbed_every_call_of_every_type_is_made(matrix: Matrix) -> None:
    assert matrix.before
    further = {
        (spec.called, operation)
        for spec in bundled_specs()
        for operation in (
            *(batch.operation for batch in spec.batches),
            *(detail.operation for detail in spec.details if not detail.on_demand),
        )
    }
    assert further - matrix.asked == NEEDLESS


# The answer is all headers: there is no half of it.
@pytest.mark.parametrize("trouble", sorted({*TROUBLES} - {"empty", "half"}))
def test_a_bucket_of_which_nobody_tells_the_region_is_kept(matrix: Matrix, trouble: str) -> None:
    assert matrix.before
    spec = bundled_spec("s3_bucket")
    estate = matrix.aws.otherwise
    assert isinstance(estate, EstateOfSpecs)
    (template,) = estate.templates(spec)
    listing = Listing([{"Name": template["Name"]}], ITEMS, "Buckets")
    untold = {
        ("*", "*", "s3", "ListBuckets"): listing,
        ("*", "*", "s3", "HeadBucket"): {"BucketRegion": REGION},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix.aws, "estate", untold)
        asked = matrix.scan([spec])["s3_bucket"]
        assert matrix.aws.count("HeadBucket") == ITEMS
        failed = matrix.scan([spec], [Fault(trouble, FAULTY, service="s3", operation="HeadBucket")])["s3_bucket"]
    assert (asked.result.state, asked.result.detail) == (CellState.OK, "")
    expired = listed_state(trouble, spec) is CellState.EXPIRED
    assert failed.result.state is (CellState.EXPIRED if expired else CellState.PARTIAL), failed.result.detail
    assert identities(asked.rows) == identities(failed.rows) == identities(matrix.before["s3_bucket"].rows)


def test_cells_without_a_fault_are_complete_while_others_have_one(matrix: Matrix) -> None:
    seen = matrix.after[PEACE]
    assert seen.keys() == bundled_by_type().keys()
    assert told(seen, dict.fromkeys(seen, CellState.OK)) == {}
    assert not any(each.result.detail for each in seen.values())


@every("list")
def test_a_listing_that_fails_removes_nothing_and_says_why(matrix: Matrix, case: Case) -> None:
    seen = matrix.after[case]
    assert seen.keys() >= {spec.resource_type for spec in many()}
    assert told(seen, {name: listed_state(case.trouble, bundled_spec(name)) for name in seen}) == {}


@every("list", "cut")
def test_a_page_that_says_there_is_more_and_not_where_is_not_the_last(matrix: Matrix, case: Case) -> None:
    seen = matrix.after[case]
    assert told(seen, dict.fromkeys(seen, CellState.PARTIAL)) == {}


@every("later", *TROUBLES[:-1])
def test_a_later_page_that_fails_leaves_the_cell_partial_with_all_its_rows(matrix: Matrix, case: Case) -> None:
    seen = matrix.after[case]
    assert told(seen, {name: later_state(case.trouble, bundled_spec(name)) for name in seen}) == {}


def later_state(trouble: str, spec: ResourceSpec) -> CellState:
    # Of the first page nothing was handed on, if it is its children or its details whose credentials expired.
    asked = {(spec.called, each.operation) for each in spec.details if not each.on_demand}
    below = asked & listed() or (spec.parent and paging(*listing_calls(spec)[0]))
    return CellState.EXPIRED if below and listed_state(trouble, spec) is CellState.EXPIRED else CellState.PARTIAL


@every("parent")
def test_parents_that_cannot_be_listed_have_children_all_the_same(matrix: Matrix, case: Case) -> None:
    seen = matrix.after[case]
    assert told(seen, {name: listed_state(case.trouble, bundled_spec(name)) for name in seen}) == {}


@every("one parent", "denied")
def test_one_parent_that_fails_leaves_the_cell_partial(matrix: Matrix, case: Case) -> None:
    seen = matrix.after[case]
    assert told(seen, dict.fromkeys(seen, CellState.PARTIAL)) == {}
    for name, each in seen.items():
        assert 0 < each.result.resources < matrix.before[name].result.resources, name


@every("tags")
def test_tags_that_cannot_be_listed_are_unread_not_absent(matrix: Matrix, case: Case) -> None:
    seen = matrix.after[case]
    # Resources without tags are no wonder.
    missing = case.trouble != "empty"
    states = {name: beside_state(case.trouble, bundled_spec(name)) if missing else CellState.OK for name in seen}
    assert told(seen, states) == {}
    for name, each in seen.items():
        if states[name] is not CellState.EXPIRED:
            assert all(("tags" in row.metadata.get(UNREAD, ())) is missing for row in each.rows), name


@pytest.mark.parametrize(
    "case",
    [Case("batch", each) for each in TROUBLES] + [Case("detail", each) for each in TROUBLES[:-1]],
    ids=str,
)
def test_a_detail_that_fails_leaves_its_row_and_what_depends_on_it_unknown(matrix: Matrix, case: Case) -> None:
    seen = matrix.after[case]
    states = {name: detailed_state(case.trouble, bundled_spec(name), each.unread) for name, each in seen.items()}
    assert told(seen, states) == {}
    for name, each in seen.items():
        if states[name] is not CellState.EXPIRED and not _unidentified(bundled_spec(name), each.unread):
            for row in each.rows:
                assert each.unread <= set(row.metadata.get(UNREAD, ())), name
                assert_unknown(bundled_spec(name), row, each.unread)


def detailed_state(trouble: str, spec: ResourceSpec, unread: frozenset[str]) -> CellState:
    if not unread:
        return CellState.OK
    state = beside_state(trouble, spec)
    # A resource whose identity was not read is left as it was, and its cell says that it is.
    return CellState.PARTIAL if state is CellState.OK and _unidentified(spec, unread) else state


def _unidentified(spec: ResourceSpec, unread: frozenset[str]) -> bool:
    return bool(unread & (fields(spec.identifier) | fields(spec.arn or "''")))


def assert_unknown(spec: ResourceSpec, row: Resource, unread: frozenset[str]) -> None:
    """Check that nothing new is said of what depends on answers that were not read: what was known stays as old."""
    for name, selector in spec.facts.items():
        if unread & fields(selector):
            assert bool(row.last_read[f"facts.{name}"]) is (name in row.constraints.facts), name
    for verb in ("can_start", "can_stop", "can_delete"):
        rules = getattr(spec.constraints, verb)
        if rules and rules[0].when and unread & fields(rules[0].when):
            assert getattr(row.constraints, verb).value is Ternary.UNKNOWN, verb


def test_faults_of_one_account_do_nothing_to_another(matrix: Matrix) -> None:
    few = [spec for spec in many() if spec.service in ("ec2", "rds", "sqs", "iam", "s3", "ecs", "eks")]
    faults = [
        fault
        for number, spec in enumerate(few)
        for fault in faults_of(spec, Case("list", TROUBLES[number % (len(TROUBLES) - 1)]))
    ]
    results = matrix.scan_both(few, faults)
    assert {key.account_id for key in results} == {FAULTY, HEALTHY}
    for key, result in results.items():
        assert key.region in (REGION, "global")
        assert (result.state is CellState.OK) is (key.account_id == HEALTHY), key


def test_what_is_gone_is_removed_by_a_listing_that_was_complete(matrix: Matrix) -> None:
    """The last of the matrix: it shows that nothing above passes because nothing is ever removed."""
    seen = matrix.after_loss()
    for name in (spec.resource_type for spec in many()):
        assert seen[name].result.state is CellState.OK, name
        assert identities(seen[name].rows) < identities(matrix.before[name].rows), name


def test_every_listing_is_a_call_that_can_fail() -> None:
    assert {listing_calls(spec)[0] for spec in bundled_specs()} <= listed()
