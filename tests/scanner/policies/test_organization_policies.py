"""An organisation's policies for an account: read with any account's permissions that suffice, else unknown."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.model import Account, IamPermissions
from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
from cloudops_nb.scanner.policies.verdicts import ScanVerdicts
from tests.scanner.policy_estate import MANAGEMENT, allow, deny, document
from tests.scanner.policy_estate import Account as Place

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
STOP, TERMINATE, START = "ec2:StopInstances", "ec2:TerminateInstances", "ec2:StartInstances"
TYPES = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")


@pytest.fixture(scope="session")
def organisation(estate: Any) -> dict[str, str]:
    """A member in a unit: the unit forbids terminating, a resource control policy at the root forbids starting."""
    management = Place(estate.endpoint, MANAGEMENT, KEYS)
    client = management.client("organizations")
    client.create_organization(FeatureSet="ALL")
    root = client.list_roots()["Roots"][0]["Id"]
    for kind in TYPES:
        client.enable_policy_type(RootId=root, PolicyType=kind)
    unit = client.create_organizational_unit(ParentId=root, Name="workloads")["OrganizationalUnit"]["Id"]
    made = client.create_account(Email="member@example.com", AccountName="member")["CreateAccountStatus"]
    member = made["AccountId"]
    client.move_account(AccountId=member, SourceParentId=root, DestinationParentId=unit)
    for kind, target, name, statement in (
        (TYPES[0], unit, "nothing-is-terminated", deny("ec2:TerminateInstances", Sid="KeepThem")),
        (TYPES[1], root, "nothing-is-started", deny("ec2:StartInstances", Principal="*", Sid="KeepItOff")),
    ):
        policy = client.create_policy(Content=document(statement), Description="", Name=name, Type=kind)
        client.attach_policy(PolicyId=policy["Policy"]["PolicySummary"]["Id"], TargetId=target)
    for place in (management, Place(estate.endpoint, member, KEYS)):
        place.role("Operator", inline={"all": [allow("ec2:*", Sid="Everything")]})
    return {"member": member}


@pytest.fixture
def judge(aws: Any) -> Callable[..., tuple[IamPermissions, list[str]]]:
    """Judges three actions in the first of some accounts; returns the verdicts and the organisation calls made."""

    def run(*account_ids: str, refused: Callable[[str, str], Any] = lambda operation, key: None) -> Any:
        made: list[str] = []

        def handler(request: Any, event_name: str, **_: Any) -> Any:
            _event, service, operation = event_name.split(".")
            if service == "organizations":
                made.append(operation)
                fault = refused(operation, request.headers["Authorization"].decode())
                return fault(request.url, "dynamodb") if fault else None
            return None

        accounts = [
            Account(name=each, role_arn=f"arn:aws:iam::{each}:role/Operator", source_profile="prod")
            for each in account_ids
        ]
        sessions = AccountSessions(accounts, threads=4, events={"before-send": handler}, label="cloudops-nb-test")
        limits, stop = RateLimiter(), threading.Event()
        verdicts = ScanVerdicts(sessions, lambda account_id: AwsCalls(sessions, account_id, limits, stop))
        with contextlib.closing(sessions), contextlib.closing(verdicts):
            entered = sessions.accounts()
            verdicts.start_reading(entered)
            arn = f"arn:aws:ec2:eu-west-1:{account_ids[0]}:instance/i-1"
            found = verdicts.of_account(entered[0]).permissions(
                [STOP, TERMINATE, START], arn, account_id=account_ids[0], region="eu-west-1", tags={}
            )
            return found, made

    return run


def test_the_management_accounts_rights_tell_what_holds_for_a_member(judge: Any, organisation: Any) -> None:
    found, _ = judge(organisation["member"], MANAGEMENT)
    assert list(found.allowed) == [STOP]
    assert "nothing-is-terminated" in found.reasons[TERMINATE]
    assert "nothing-is-started" in found.reasons[START]
    assert set(found.denied) == {TERMINATE, START}


def test_a_policy_of_the_organisation_is_read_once(judge: Any, organisation: Any) -> None:
    _, made = judge(organisation["member"], MANAGEMENT)
    # Two of AWS's own, FullAWSAccess and RCPFullAWSAccess, and the two that were made.
    assert made.count("DescribePolicy") <= 2 * 4
    assert made.count("ListRoots") <= 2


def test_the_management_account_is_outside_its_organisations_policies(judge: Any, organisation: Any) -> None:
    found, made = judge(MANAGEMENT)
    assert list(found.allowed) == [STOP, TERMINATE, START]
    assert set(made) == {"DescribeOrganization"}


def test_no_organisation_is_no_layer(judge: Any, estate: Any) -> None:
    Place(estate.endpoint, "888877776666", KEYS).role("Operator", inline={"all": [allow("ec2:*")]})
    assert list(judge("888877776666")[0].allowed) == [STOP, TERMINATE, START]


@pytest.mark.parametrize("operation", ["ListRoots", "ListParents", "ListPoliciesForTarget", "DescribePolicy"])
def test_policies_that_no_account_may_read_are_unknown(
    judge: Any, organisation: Any, refuse: Any, operation: str
) -> None:
    denied = refuse("AccessDeniedException", 400, "you are no delegated administrator")
    found, _ = judge(
        organisation["member"], MANAGEMENT, refused=lambda name, key: denied if name == operation else None
    )
    assert set(found.unknown) == {STOP, TERMINATE, START}
    assert "organization" in found.reasons[STOP]
    assert "AccessDeniedException" in found.reasons[STOP]


def test_a_member_by_itself_does_not_see_what_holds_for_it(judge: Any, organisation: Any) -> None:
    found, _ = judge(organisation["member"])
    assert set(found.unknown) == {STOP, TERMINATE, START}
    assert "service control policies could not be read" in found.reasons[STOP]


@pytest.mark.parametrize("code", ["AccessDeniedException", "ServiceException", "TooManyRequestsException"])
def test_an_organisation_that_does_not_answer_is_not_none(
    judge: Any, organisation: Any, refuse: Any, code: str
) -> None:
    fault = refuse(code, 400)
    found, _ = judge(
        organisation["member"], refused=lambda name, key: fault if name == "DescribeOrganization" else None
    )
    assert set(found.unknown) == {STOP, TERMINATE, START}
    assert code in found.reasons[STOP]
