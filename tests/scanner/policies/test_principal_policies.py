"""Reading the acting principal's policies: every layer is read, or unknown with its reason, and never empty."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.model import Account, IamPermissions
from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.call_errors import ScanStoppedError
from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
from cloudops_nb.scanner.policies.policy_calls import policy_operations
from cloudops_nb.scanner.policies.verdicts import ScanVerdicts
from tests.scanner.policy_estate import MEMBER, OPERATIONS, allow, deny, document
from tests.scanner.policy_estate import Account as Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KEYS: dict[str, Any] = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
DESCRIBE = "ec2:DescribeInstances"
STOP, TERMINATE, TAG, START = "ec2:StopInstances", "ec2:TerminateInstances", "ec2:CreateTags", "ec2:StartInstances"
READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"
OPERATOR = f"arn:aws:iam::{OPERATIONS}:role/team/on-call/Operator"
Judge = Any


@pytest.fixture(scope="session")
def principals(estate: Any) -> dict[str, Any]:
    """An operator whose five layers each decide something, a user in two groups, and a bounded role."""
    place, other = (Place(estate.endpoint, account_id, KEYS) for account_id in (OPERATIONS, MEMBER))
    for each in (place, other):
        each.role("Reader", attached=[READ_ONLY])
    attached = place.policy(
        "operate", allow("ec2:StopInstances", "ec2:TerminateInstances", "ec2:CreateTags", Sid="Ec2")
    )
    boundary = place.policy("bounds", allow("ec2:Stop*", "ec2:Terminate*", "ec2:Start*", Sid="Bounds"))
    place.role(
        "Operator",
        path="/team/on-call/",
        attached=[attached],
        inline={"guard": [deny("ec2:TerminateInstances", Sid="NeverTerminate")]},
        boundary=boundary,
        tags={"Team": "payments"},
    )
    keys = place.user(
        "ana", groups={"operators": allow("ec2:StopInstances", Sid="Stop"), "juniors": deny("ec2:Terminate*", Sid="No")}
    )
    return {"keys": keys}


def _by_role(account_id: str, name: str, **more: Any) -> Account:
    return Account(name=name, role_arn=f"arn:aws:iam::{account_id}:role/{name}", source_profile="prod", **more)


@contextlib.contextmanager
def _verdicts(
    *accounts: Account, events: Any = None, stop: threading.Event | None = None
) -> Iterator[tuple[ScanVerdicts, Sequence[Account]]]:
    sessions = AccountSessions(accounts, threads=4, events=events, label="cloudops-nb-test")
    limits, stopped = RateLimiter(), stop or threading.Event()
    verdicts = ScanVerdicts(sessions, lambda account_id: AwsCalls(sessions, account_id, limits, stopped))
    try:
        yield verdicts, sessions.accounts()
    finally:
        verdicts.close()
        sessions.close()


@pytest.fixture
def judge(aws: Any, principals: Any) -> Judge:
    """Judges actions on an instance of the first of some accounts."""

    def run(
        *accounts: Account,
        actions: Sequence[str] = (STOP, TERMINATE, TAG, START),
        events: Any = None,
        stop: threading.Event | None = None,
        **more: Any,
    ) -> IamPermissions:
        with _verdicts(*accounts, events=events, stop=stop) as (verdicts, entered):
            verdicts.start_reading(entered)
            account_id = entered[0].account_id
            arn = f"arn:aws:ec2:eu-west-1:{account_id}:instance/i-1"
            return verdicts.of_account(entered[0]).permissions(
                actions, arn, account_id=account_id, region="eu-west-1", **{"tags": {}, **more}
            )

    return run


@pytest.fixture
def refusing(refuse: Any) -> Callable[..., dict[str, Any]]:
    """Makes event handlers that refuse the named operations, and count all."""

    def make(
        *operations: str, code: str = "AccessDenied", status: int = 403, made: list[str] | None = None
    ) -> dict[str, Any]:
        def handler(request: Any, event_name: str, **_: Any) -> Any:
            _event, service, operation = event_name.split(".")
            if made is not None:
                made.append(f"{service}:{operation}")
            named = f"{service}:{operation}" in operations or operation in operations
            # moto, like AWS, speaks JSON for organizations.
            return (
                refuse(code, status)(request.url, "dynamodb" if service == "organizations" else service)
                if named
                else None
            )

        return {"before-send": handler}

    return make


def test_a_role_is_judged_by_its_attached_inline_and_boundary_policies(judge: Any) -> None:
    found = judge(_by_role(OPERATIONS, "Operator"))
    assert list(found.allowed) == [STOP]
    assert set(found.denied) == {TERMINATE, TAG, START}
    assert found.principal == OPERATOR, "GetRole tells the path that the caller's ARN lacks"
    assert "operate" in found.reasons[STOP]
    assert "guard" in found.reasons[TERMINATE]
    assert "boundary" in found.reasons[TAG].lower() or "bounds" in found.reasons[TAG]


def test_a_user_is_judged_by_the_policies_of_its_groups(judge: Any, principals: Any, aws_config: Any) -> None:
    keys = "\n".join(f"{name} = {value}" for name, value in principals["keys"].items())
    aws_config.write_text(aws_config.read_text() + f"[profile ana]\n{keys}\nregion = eu-west-1\n", encoding="utf-8")
    found = judge(Account(name="ana", profile="ana"))
    assert list(found.allowed) == [STOP]
    assert set(found.denied) == {TERMINATE, TAG, START}
    assert found.principal == f"arn:aws:iam::{OPERATIONS}:user/people/ana"


@pytest.mark.parametrize(
    "operation",
    ["GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy", "GetPolicy", "GetPolicyVersion"],
)
def test_what_is_refused_by_name_is_read_from_the_listing_of_the_account(
    judge: Any, refusing: Any, operation: str
) -> None:
    expected = judge(_by_role(OPERATIONS, "Operator"))
    found = judge(_by_role(OPERATIONS, "Operator"), events=refusing(operation))
    assert (found.allowed, found.denied, found.unknown) == (expected.allowed, expected.denied, expected.unknown)


@pytest.mark.parametrize(
    ("refused", "denied"),
    [
        (("GetRolePolicy",), {TAG}),
        (("ListRolePolicies",), {TAG}),
        (("ListAttachedRolePolicies",), {TERMINATE, TAG}),
        (("GetRole",), {TERMINATE, START}),
    ],
)
def test_an_unreadable_layer_makes_unknown_what_it_could_change_and_nothing_else(
    judge: Any, refusing: Any, refused: tuple[str, ...], denied: set[str]
) -> None:
    found = judge(_by_role(OPERATIONS, "Operator"), events=refusing(*refused, "GetAccountAuthorizationDetails"))
    assert set(found.denied) == denied
    assert set(found.unknown) == {STOP, TERMINATE, TAG, START} - denied
    assert "AccessDenied" in found.reasons[STOP]


@pytest.mark.parametrize(
    ("code", "status"), [("Throttling", 400), ("InternalFailure", 500), ("ServiceUnavailable", 503)]
)
def test_a_failure_is_no_empty_layer(judge: Any, refusing: Any, code: str, status: int) -> None:
    found = judge(_by_role(OPERATIONS, "Operator"), events=refusing("ListRolePolicies", code=code, status=status))
    assert list(found.allowed) == []
    assert STOP in found.unknown
    assert code in found.reasons[STOP]


def test_nothing_readable_leaves_everything_unknown(judge: Any, refusing: Any) -> None:
    every = [each.operation for each in policy_operations()]
    found = judge(_by_role(OPERATIONS, "Operator"), events=refusing(*every))
    assert set(found.unknown) == {STOP, TERMINATE, TAG, START}


def test_a_managed_policy_is_read_once_for_all_accounts(aws: Any, principals: Any, refusing: Any) -> None:
    made: list[str] = []
    accounts = (_by_role(OPERATIONS, "Reader"), _by_role(MEMBER, "Reader"))
    with _verdicts(*accounts, events=refusing(made=made)) as (verdicts, entered):
        for account in entered:
            arn = f"arn:aws:ec2:eu-west-1:{account.account_id}:instance/i-1"
            found = verdicts.of_account(account).permissions(
                [DESCRIBE, STOP], arn, account_id=account.account_id, region="eu-west-1", tags={}
            )
            assert (list(found.allowed), list(found.denied)) == ([DESCRIBE], [STOP])
    assert made.count("iam:GetPolicyVersion") == 1


def test_only_the_operations_of_the_table_are_called(judge: Any, refusing: Any) -> None:
    made: list[str] = []
    judge(_by_role(OPERATIONS, "Operator"), events=refusing("GetRole", made=made))
    known = {f"{each.service}:{each.operation}" for each in policy_operations()}
    assert {call for call in made if not call.startswith("sts:")} <= known


def test_verdicts_are_about_the_principal_that_operates(judge: Any) -> None:
    found = judge(_by_role(OPERATIONS, "Reader", operate_role_arn=OPERATOR))
    assert found.principal == OPERATOR
    assert list(found.allowed) == [STOP]
    assert list(judge(_by_role(OPERATIONS, "Reader")).allowed) == []


def test_an_operating_role_of_another_account_leaves_everything_unknown(judge: Any) -> None:
    found = judge(_by_role(OPERATIONS, "Reader", operate_role_arn=f"arn:aws:iam::{MEMBER}:role/Operator"))
    assert set(found.unknown) == {STOP, TERMINATE, TAG, START}
    assert f"it belongs to account {MEMBER}" in found.reasons[STOP]


def test_an_operating_profile_that_does_not_exist_leaves_everything_unknown(judge: Any) -> None:
    found = judge(_by_role(OPERATIONS, "Reader", operate_profile="nobody"))
    assert set(found.unknown) == {STOP, TERMINATE, TAG, START}
    assert "profile" in found.reasons[STOP]


def test_a_session_opened_elsewhere_may_have_a_policy_of_its_own(
    judge: Any, estate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    sts = boto3.client("sts", region_name="eu-west-1", endpoint_url=estate.endpoint, **KEYS)
    token = sts.assume_role(RoleArn=OPERATOR, RoleSessionName="shell")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", token["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", token["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", token["SessionToken"])
    found = judge(Account(name="shell"))
    assert list(found.unknown) == [STOP]
    assert "opened elsewhere" in found.reasons[STOP]
    assert TERMINATE in found.denied, "what the role's own policies deny no session allows"


def test_expired_credentials_are_renewed_once(judge: Any, refuse: Any) -> None:
    expired = iter([True])

    def handler(request: Any, event_name: str, **_: Any) -> Any:
        late = event_name.endswith(".ListRolePolicies") and next(expired, False)
        return refuse("ExpiredToken", 403)(request.url, "iam") if late else None

    assert list(judge(_by_role(OPERATIONS, "Operator"), events={"before-send": handler}).allowed) == [STOP]


def test_credentials_that_stay_expired_leave_everything_unknown(judge: Any, refusing: Any) -> None:
    found = judge(_by_role(OPERATIONS, "Operator"), events=refusing("ListRolePolicies", code="ExpiredToken"))
    assert set(found.unknown) == {STOP, TERMINATE, TAG, START}
    assert "ExpiredToken" in found.reasons[STOP]


def test_a_stopped_scan_waits_for_no_policies(judge: Any) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ScanStoppedError):
        judge(_by_role(OPERATIONS, "Operator"), stop=stop)


def test_a_malformed_policy_of_a_resource_is_as_good_as_unread(judge: Any) -> None:
    found = judge(_by_role(OPERATIONS, "Operator"), resource_policy="{no json")
    assert STOP in found.unknown
    assert TERMINATE in found.denied


def test_a_resources_own_policy_may_deny(judge: Any) -> None:
    own = document({"Effect": "Deny", "Principal": "*", "Action": STOP, "Resource": "*", "Sid": "HandsOff"})
    found = judge(_by_role(OPERATIONS, "Operator"), resource_policy=own)
    assert STOP in found.denied
    assert "HandsOff" in found.reasons[STOP]


def test_what_breaks_in_the_evaluation_is_unknown_and_loses_no_resource(
    judge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloudops_nb.iam import Evaluator

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(Evaluator, "permissions", broken)
    found = judge(_by_role(OPERATIONS, "Operator"))
    assert set(found.unknown) == {STOP, TERMINATE, TAG, START}
    assert "ZeroDivisionError: by nothing" in found.reasons[STOP]
