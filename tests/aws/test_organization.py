"""One configured entry for a whole organisation, and the errors of accounts that cannot be entered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.errors import ConfigurationError, CredentialsError
from cloudops_nb.model import Account, CellResult, CellState
from cloudops_nb.scanner.report import ScanReport
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws import SyntheticAws
from tests.synthetic_aws.aws import HOME_ACCOUNT
from tests.synthetic_aws.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.fast

REGION = "eu-west-1"
ROLE = "audit/nested/CloudOpsRead"
ONE, TWO, THREE = "111111111111", "222222222222", "333333333333"
MANAGEMENT = Account(name="management", organization_role=ROLE, environment="production")


def listed(account_id: str, name: str, state: str = "ACTIVE") -> dict[str, Any]:
    """An account as AWS lists it."""
    arn = f"arn:aws:organizations::{HOME_ACCOUNT}:account/o-exampleorgid/{account_id}"
    return {"Id": account_id, "Name": name, "State": state, "Status": state, "Arn": arn}


MEMBERS = [listed(HOME_ACCOUNT, "Management"), listed(ONE, "shop"), listed(TWO, "data")]


class Organization:
    """An organisation on a simulated AWS, and sessions of its accounts."""

    def __init__(self) -> None:
        self.opened: list[AccountSessions] = []

    def __call__(
        self, *accounts: Account, members: Any = MEMBERS, faults: Any = (), **options: Any
    ) -> tuple[SyntheticAws, AccountSessions]:
        aws = SyntheticAws({("*", "*", "organizations", "ListAccounts"): members}, faults=faults, **options)
        self.opened.append(AccountSessions(accounts or (MANAGEMENT,), threads=4, events=aws.events()))
        return aws, self.opened[-1]


@pytest.fixture
def organization(monkeypatch: pytest.MonkeyPatch) -> Iterator[Organization]:
    for name, value in SyntheticAws().environment.items():
        monkeypatch.setenv(name, value)
    made = Organization()
    yield made
    for sessions in made.opened:
        sessions.close()


def entered(sessions: AccountSessions) -> Mapping[str, str]:
    return {account.name: account.account_id for account in sessions.accounts()}


def test_one_entry_covers_its_own_account_and_every_member(organization: Organization) -> None:
    aws, sessions = organization()
    assert entered(sessions) == {"management": HOME_ACCOUNT, "data": TWO, "shop": ONE}
    assert sessions.caller(ONE).account_id == ONE
    asked = [call for call in aws.calls if call[3] == "ListAccounts"]
    assert {(account, region) for account, region, _, _ in asked} == {(HOME_ACCOUNT, "us-east-1")}
    sessions.accounts()
    assert aws.count("ListAccounts") == 1, "the members are asked for once"
    assert aws.count("AssumeRole") == 2, "one's own account is entered already"


def test_members_are_entered_through_a_role_with_a_path_and_keep_the_entrys_settings(
    organization: Organization,
) -> None:
    for role in (ROLE, f"/{ROLE}"):
        entry = Account(name="m", organization_role=role, environment="production")
        _, sessions = organization(entry)
        (one,) = [each for each in sessions.accounts() if each.account_id == ONE]
        assert one.role_arn == f"arn:aws:iam::{ONE}:role/{ROLE}"
        assert one.environment == "production"


def test_accounts_that_are_not_active_are_left_out(organization: Organization) -> None:
    states = ("SUSPENDED", "PENDING_CLOSURE", "PENDING_ACTIVATION", "CLOSED")
    others = [listed(f"44444444444{number}", state, state) for number, state in enumerate(states)]
    before_states = {key: value for key, value in listed(THREE, "older").items() if key != "State"}
    _, sessions = organization(members=[*MEMBERS, *others, before_states])
    assert set(entered(sessions)) == {"management", "data", "shop", "older"}


def test_every_page_of_accounts_is_read(organization: Organization) -> None:
    many = [listed(f"5555555{number:05}", f"team-{number:02}") for number in range(21)]
    aws, sessions = organization(members=[*MEMBERS, *many], largest_page=10)
    assert len(entered(sessions)) == len(MEMBERS) + 21
    assert aws.count("ListAccounts") == 3


def test_a_delegated_administrator_reads_the_management_account_as_a_member(organization: Organization) -> None:
    delegated = [listed(HOME_ACCOUNT, "security"), listed(ONE, "Root of all"), listed(TWO, "data")]
    _, sessions = organization(Account(name="security", organization_role=ROLE), members=delegated)
    assert entered(sessions) == {"security": HOME_ACCOUNT, "Root of all": ONE, "data": TWO}


def test_plans_run_through_the_operating_role_of_each_account(organization: Organization) -> None:
    entry = Account(name="m", organization_role=ROLE, operate_role_arn="arn:aws:iam::*:role/ops/Operate")
    _, sessions = organization(entry)
    assert {each.operate_role_arn for each in sessions.accounts()} == {
        f"arn:aws:iam::{each}:role/ops/Operate" for each in (HOME_ACCOUNT, ONE, TWO)
    }, "verdicts concern it too"
    operators = sessions.operators
    assert operators is not sessions
    roles = {each.account_id: each.role_arn for each in operators.configured}
    assert roles == {each: f"arn:aws:iam::{each}:role/ops/Operate" for each in (HOME_ACCOUNT, ONE, TWO)}
    assert operators.caller(TWO).account_id == TWO


def test_a_member_with_a_name_in_use_is_named_by_its_id(organization: Organization) -> None:
    twins = [*MEMBERS, listed(THREE, "shop"), listed("444444444444", "own")]
    own = Account(name="own", role_arn="arn:aws:iam::666666666666:role/Scan")
    _, sessions = organization(MANAGEMENT, own, members=twins)
    assert entered(sessions) == {
        "management": HOME_ACCOUNT,
        "own": "666666666666",
        "data": TWO,
        ONE: ONE,
        THREE: THREE,
        "444444444444": "444444444444",
    }
    assert [each.account_id for each in sessions.accounts({"own"})] == ["666666666666"]


def test_a_member_with_an_entry_of_its_own_is_entered_through_that(organization: Organization) -> None:
    own = Account(name="the shop", role_arn=f"arn:aws:iam::{ONE}:role/Special", environment="staging")
    for accounts in ((MANAGEMENT, own), (own, MANAGEMENT)):
        _, sessions = organization(*accounts)
        (one,) = [each for each in sessions.accounts() if each.account_id == ONE]
        assert (one.name, one.role_arn, one.environment) == ("the shop", own.role_arn, "staging")
        assert len(sessions.accounts()) == 3


def test_a_member_that_refuses_its_role_is_one_error_and_the_others_are_complete(organization: Organization) -> None:
    refused = Fault("denied", operation="AssumeRole", when={"RoleArn": f"arn:aws:iam::{ONE}:role/{ROLE}"})
    aws, sessions = organization(faults=[refused])
    specs = [spec for spec in bundled_specs() if spec.resource_type in ("sqs_queue", "sns_topic", "s3_bucket")]
    scanner = Scanner(sessions, threads=4, specs=specs)
    results = [item for item in scanner.scan(regions=[REGION]) if isinstance(item, CellResult)]

    states = {account: {each.state for each in results if each.key.account_id == account} for account in (ONE, TWO)}
    assert states == {ONE: {CellState.DENIED}, TWO: {CellState.OK_EMPTY}}
    assert {result.key.account_id for result in results} == {HOME_ACCOUNT, ONE, TWO}
    report = str(
        ScanReport("scan", datetime.now(UTC), 1.0, results, {key: each.name for key, each in scanner.accounts.items()})
    )
    (line,) = [line for line in report.splitlines() if "sts:AssumeRole" in line]
    assert line.startswith(f"shop {REGION}/")
    assert "and 2 more cells" in line
    assert aws.count(account=ONE) == 0


@pytest.mark.parametrize("trouble", ["denied", "reset"])
def test_a_refused_list_of_accounts_names_the_missing_permission(organization: Organization, trouble: str) -> None:
    _, sessions = organization(faults=[Fault(trouble, operation="ListAccounts")])
    with pytest.raises(Exception, match="management") as caught:
        sessions.accounts()
    assert "\n" not in str(caught.value)
    if trouble == "denied":
        assert isinstance(caught.value, CredentialsError)
        assert "organizations:ListAccounts" in caught.value.fix


def test_a_choice_of_accounts_by_name_or_number_enters_no_other(organization: Organization) -> None:
    aws, sessions = organization()
    assert [each.account_id for each in sessions.accounts({"shop"})] == [ONE]
    assert aws.count("AssumeRole") == 1
    assert [each.account_id for each in sessions.accounts({TWO})] == [TWO]
    scanner = Scanner(sessions, threads=2, specs=[next(s for s in bundled_specs() if s.resource_type == "sqs_queue")])
    with pytest.raises(ConfigurationError, match="unknown account nowhere"):
        list(scanner.scan(accounts=["nowhere"], regions=[REGION]))
