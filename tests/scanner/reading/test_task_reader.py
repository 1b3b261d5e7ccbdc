"""Every failure ends its cell in its own state, keeps what was read, and harms no other cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from cloudops_nb.declarations.selectors import select
from cloudops_nb.model import CellState, Ternary
from cloudops_nb.scanner.reading.resource_builder import UNREAD
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Callable

PROD, STAGE = "123456789012", "111122223333"
URL = "https://rds.eu-west-1.amazonaws.com"
SCP = "User is not authorized to perform rds:DescribeDBInstances with an explicit deny in a service control policy"

REFUSALS = [
    ("AccessDenied", 403, "no", CellState.DENIED),
    ("AccessDeniedException", 400, "no", CellState.DENIED),
    ("UnauthorizedOperation", 403, "no", CellState.DENIED),
    ("SomethingNew", 403, "no", CellState.DENIED),
    ("AccessDenied", 403, SCP, CellState.SCP_DENIED),
    ("OptInRequired", 403, "no", CellState.SERVICE_UNAVAILABLE),
    ("SubscriptionRequiredException", 400, "no", CellState.SERVICE_UNAVAILABLE),
    ("UnknownOperationException", 404, "no", CellState.SERVICE_UNAVAILABLE),
    ("InternalFailure", 500, "no", CellState.SERVICE_UNAVAILABLE),
    ("RegionDisabledException", 403, "no", CellState.REGION_DISABLED),
    ("Throttling", 400, "Rate exceeded", CellState.THROTTLED),
    ("SomethingNew", 429, "no", CellState.THROTTLED),
    ("ExpiredToken", 403, "no", CellState.EXPIRED),
    ("RequestExpired", 400, "no", CellState.EXPIRED),
    ("SomethingNew", 400, "no", CellState.ERROR),
]


def _others_are_complete(found: Any, failed: str) -> bool:
    return all(result.state.complete for key, result in found.results.items() if key != failed)


@pytest.mark.parametrize(("code", "status", "message", "state"), REFUSALS)
def test_a_refusal_ends_its_cell_in_its_own_state(
    *,
    make_scanner: Callable[..., Any],
    collect: Callable[..., Any],
    faults: Any,
    refuse: Any,
    code: str,
    status: int,
    message: str,
    state: CellState,
) -> None:
    faults.set("rds:DescribeDBInstances", refuse(code, status, message))
    found = collect(make_scanner(events=faults.events), services=["rds"], accounts=["prod"])
    failed = f"{PROD}/eu-west-1/rds_instance"
    assert found.results[failed].state is state
    assert found.results[failed].resources == 0
    assert code in found.results[failed].detail
    assert _others_are_complete(found, failed)
    assert found.names("rds_instance") == []


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ReadTimeoutError(endpoint_url=URL), CellState.TIMEOUT),
        (ConnectTimeoutError(endpoint_url=URL), CellState.TIMEOUT),
        (EndpointConnectionError(endpoint_url=URL), CellState.SERVICE_UNAVAILABLE),
        (ConnectionClosedError(endpoint_url=URL), CellState.ERROR),
        (ZeroDivisionError("a bug"), CellState.ERROR),
    ],
)
def test_a_lost_connection_ends_its_cell_in_its_own_state(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, error: Exception, state: CellState
) -> None:
    faults.set("rds:DescribeDBInstances", error)
    found = collect(make_scanner(events=faults.events), services=["rds"], accounts=["prod"])
    failed = f"{PROD}/eu-west-1/rds_instance"
    assert found.results[failed].state is state
    assert _others_are_complete(found, failed)


@pytest.mark.parametrize(
    "code", ["UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "OptInRequired"]
)
def test_a_region_without_opt_in_is_not_taken_for_bad_credentials(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any, code: str
) -> None:
    faults.set("rds:DescribeDBInstances", refuse(code, 403), region="af-south-1")
    found = collect(
        make_scanner(events=faults.events), services=["rds"], accounts=["prod"], regions=["eu-west-1", "af-south-1"]
    )
    assert found.results[f"{PROD}/af-south-1/rds_instance"].state is CellState.REGION_DISABLED
    assert found.results[f"{PROD}/eu-west-1/rds_instance"].state is CellState.OK


@pytest.mark.parametrize(
    "text", ["", "<html>captive portal</html>", "<DescribeDBInstancesResponse/>", "<DescribeDBInst"]
)
def test_a_broken_answer_is_never_an_empty_one(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, answer: Any, text: str
) -> None:
    faults.set("rds:DescribeDBInstances", answer(text))
    found = collect(make_scanner(events=faults.events), services=["rds"], accounts=["prod"], regions=["eu-west-1"])
    assert found.results[f"{PROD}/eu-west-1/rds_instance"].state is CellState.ERROR


@pytest.mark.fast
def test_no_listing_takes_an_answer_without_its_list_for_an_empty_estate() -> None:
    told = [spec for spec in bundled_specs() if not spec.list.omitted_when_empty]
    assert len(told) > len(bundled_specs()) / 2
    blind = [spec.resource_type for spec in told if select(spec.list.items, {}) is not None]
    assert not blind, f"write items so that it finds nothing in an empty answer: {', '.join(blind)}"


def test_a_page_that_fails_midway_keeps_the_pages_before_it(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any
) -> None:
    faults.set("dynamodb:ListTables", refuse("AccessDeniedException"), calls=range(2, 99))
    found = collect(
        make_scanner(events=faults.events, specs=[_paged("dynamodb_table")]), accounts=["prod"], regions=["eu-west-1"]
    )
    (result,) = found.results.values()
    assert (result.state, result.pages, result.resources) == (CellState.PARTIAL, 1, 1)
    assert result.detail == "after 1 pages: AccessDeniedException: refused"
    assert len(found.names("dynamodb_table")) == 1


def test_an_answer_that_admits_to_be_truncated_is_partial(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, answer: Any
) -> None:
    """The paginator of ListQueues knows nothing of this flag and would call it a day."""
    faults.set("iam:GetAccountAuthorizationDetails", answer(_TRUNCATED), region="us-east-1")
    found = collect(make_scanner(events=faults.events), services=["iam_user"], accounts=["prod"])
    (result,) = found.results.values()
    assert result.state is CellState.PARTIAL
    assert "IsTruncated" in result.detail


_TRUNCATED = """<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult>
<IsTruncated>true</IsTruncated><UserDetailList/></GetAccountAuthorizationDetailsResult>
</GetAccountAuthorizationDetailsResponse>"""


def test_expired_credentials_are_renewed_once_and_the_cell_reread(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any
) -> None:
    faults.set("rds:DescribeDBInstances", refuse("ExpiredToken", 403), account=STAGE, calls=range(1, 2))
    found = collect(make_scanner(events=faults.events), services=["rds"], accounts=["stage"], regions=["eu-west-1"])
    assert found.results[f"{STAGE}/eu-west-1/rds_instance"].state is CellState.OK
    assert faults.made("sts:AssumeRole") == 2


def test_a_throttle_that_a_retry_overcame_is_counted(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any
) -> None:
    faults.set("rds:DescribeDBInstances", refuse("Throttling"), calls=range(1, 3))
    found = collect(make_scanner(events=faults.events), services=["rds"], accounts=["prod"], regions=["eu-west-1"])
    result = found.results[f"{PROD}/eu-west-1/rds_instance"]
    assert (result.state, result.retries, result.resources) == (CellState.OK, 2, 3)


def test_a_denied_detail_leaves_the_row_complete_in_its_cell_and_says_what_is_missing(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any
) -> None:
    faults.set("s3:GetBucketTagging", refuse("AccessDenied", 403))
    found = collect(make_scanner(events=faults.events), services=["s3"], accounts=["prod"])
    bucket = found.one("s3_bucket", "near-bucket")
    assert bucket.metadata[UNREAD] == {"tagging": "AccessDenied: refused"}
    result = found.results[f"{PROD}/eu-west-1/s3_bucket"]
    assert result.state is CellState.OK
    assert result.detail == "1 without tagging (AccessDenied: refused)"
    assert UNREAD not in found.one("s3_bucket", "far-bucket").metadata


def test_a_detail_lost_in_passing_makes_the_cell_partial_and_its_facts_unknown(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any
) -> None:
    faults.set("dynamodb:DescribeTable", ReadTimeoutError(endpoint_url=URL))
    found = collect(make_scanner(events=faults.events), services=["dynamodb"], accounts=["prod"])
    assert found.results[f"{PROD}/eu-west-1/dynamodb_table"].state is CellState.PARTIAL
    assert found.results[f"{PROD}/us-east-1/dynamodb_table"].state is CellState.OK
    constraints = found.one("dynamodb_table", "orders").constraints
    assert constraints.can_delete.value is Ternary.UNKNOWN
    assert "its description could not be read" in constraints.can_delete.reason
    assert constraints.facts == {}


def test_a_resource_deleted_since_it_was_listed_is_left_out(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any
) -> None:
    faults.set("dynamodb:DescribeTable", refuse("ResourceNotFoundException"), calls=range(1, 2))
    found = collect(
        make_scanner(events=faults.events), services=["dynamodb_table"], accounts=["prod"], regions=["eu-west-1"]
    )
    (result,) = found.results.values()
    assert (result.state, result.resources) == (CellState.OK, 1)


def test_tags_that_could_not_be_listed_are_unread_not_absent(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any
) -> None:
    faults.set("resource-groups-tagging-api:GetResources", refuse("AccessDeniedException"))
    found = collect(make_scanner(events=faults.events), services=["lambda"], accounts=["prod"], regions=["eu-west-1"])
    (result,) = found.results.values()
    assert (result.state, result.detail) == (CellState.OK, "1 without tags (AccessDeniedException: refused)")
    assert found.one("lambda_function", "thumbs").metadata[UNREAD] == {"tags": "AccessDeniedException: refused"}


def test_a_refused_account_ends_its_own_cells_only(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any
) -> None:
    faults.set("sts:AssumeRole", refuse("AccessDenied", 403))
    found = collect(make_scanner(events=faults.events), services=["rds"])
    assert found.results[f"{STAGE}/eu-west-1/rds_instance"].state is CellState.DENIED
    assert found.results[f"{PROD}/eu-west-1/rds_instance"].state is CellState.OK


def _paged(resource_type: str) -> Any:
    (spec,) = [each for each in bundled_specs() if each.resource_type == resource_type]
    return spec.model_copy(update={"list": spec.list.model_copy(update={"page_size": 1})})


def test_a_bucket_without_a_region_leaves_every_cell_of_its_listing_partial(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, refuse: Any, answer: Any
) -> None:
    listed = (
        "<ListAllMyBucketsResult><Buckets><Bucket><Name>far-bucket</Name></Bucket></Buckets></ListAllMyBucketsResult>"
    )
    faults.set("s3:ListBuckets", answer(listed), region="us-east-1")
    faults.set("s3:HeadBucket", refuse("403", 403), region="us-east-1")
    found = collect(make_scanner(events=faults.events), services=["s3"], accounts=["prod"])
    assert {result.state for result in found.results.values()} == {CellState.PARTIAL}
    assert all("1 without region (AWS did not return it)" in result.detail for result in found.results.values())


def test_a_log_names_neither_accounts_nor_regions(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], faults: Any, caplog: pytest.LogCaptureFixture
) -> None:
    faults.set("rds:DescribeDBInstances", ZeroDivisionError("a bug"))
    with caplog.at_level("INFO", logger="cloudops_nb"):
        collect(make_scanner(events=faults.events), services=["rds"], accounts=["prod"])
    said = [record.getMessage() for record in caplog.records if record.name.startswith("cloudops_nb")]
    assert "listing rds_instance ended with the state error" in said
    assert not any(word in line for line in said for word in (PROD, "eu-west-1", "us-east-1"))
