"""An account that cannot be entered is refused by itself, and the others are used."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws import credentials
from cloudops_nb.aws.account_session import AccountSession
from cloudops_nb.aws.credentials import SessionFactory
from cloudops_nb.aws.organization import _member_account
from cloudops_nb.client.scan_schedule import _incomplete_cells
from cloudops_nb.errors import CloudOpsError, ConfigurationError, CredentialsError
from cloudops_nb.model import Account, CellResult, CellState, RefusedAccount
from cloudops_nb.presentation.as_text import section_text
from cloudops_nb.presentation.scan_report import scan_sections
from cloudops_nb.scanner.report import ScanReport
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.files import bundled_specs
from tests.aws.sign_on_server import HOME_ACCOUNT, SignOnServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloudops_nb.aws.sessions import AccountSessions

pytestmark = [pytest.mark.fast, pytest.mark.usefixtures("server")]

ONE, TWO, THREE = "111111111111", "222222222222", "333333333333"
WORKING = Account(name="working", profile="keys")
MFA = "arn:aws:iam::123456789012:mfa/person"
CONFIG = f"""
[profile keys]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
[profile sso]
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
sso_account_id = {ONE}
sso_role_name = Scan
[profile role]
role_arn = arn:aws:iam::{TWO}:role/Scan
source_profile = keys
[profile mfa]
role_arn = arn:aws:iam::{THREE}:role/Scan
source_profile = keys
mfa_serial = {MFA}
[profile above_mfa]
role_arn = arn:aws:iam::{TWO}:role/Scan
source_profile = mfa
[profile loop]
role_arn = arn:aws:iam::{THREE}:role/Scan
source_profile = pool
[profile pool]
role_arn = arn:aws:iam::{THREE}:role/Scan
source_profile = loop
[profile exits]
credential_process = false
[profile absent]
credential_process = /nowhere/credentials
[profile talks]
credential_process = echo hello
[profile list]
credential_process = echo []
[profile quote]
credential_process = echo "
[profile token]
role_arn = arn:aws:iam::{THREE}:role/Scan
web_identity_token_file = /nowhere/token
[profile incomplete]
sso_account_id = {THREE}
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SignOnServer]:
    config = tmp_path / "aws-config"
    config.write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(tmp_path / "sso"))
    with SignOnServer().serving(monkeypatch) as serving:
        yield serving


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> int:
        raise OSError

    monkeypatch.setattr("cloudops_nb.aws.credentials.os.open", refuse)
    monkeypatch.setattr("cloudops_nb.aws.credentials.sys.stdin", None)


def broken(name: str) -> Account:
    return Account(name="broken", profile=name)


#: A profile that cannot be entered, its account id if the configuration tells it, and what the refusal says.
BROKEN = [
    ("sso", ONE, "the sign-on session is missing or expired"),
    ("unknown", "", "there is no such AWS profile"),
    ("exits", "", "the credential process failed"),
    ("absent", "", "No such file or directory"),
    ("talks", "", "is not valid JSON"),
    ("list", "", "the AWS configuration is not usable: AttributeError"),
    ("quote", "", "No closing quotation"),
    ("token", THREE, "No such file or directory"),
    ("loop", THREE, "Infinite loop"),
    ("mfa", THREE, "there is no terminal"),
    ("above_mfa", TWO, "there is no terminal"),
    ("incomplete", THREE, "missing required configuration"),
]


@pytest.mark.parametrize(("profile", "account_id", "said"), BROKEN)
def test_an_account_that_cannot_be_entered_leaves_the_others(
    open_sessions: Callable[..., AccountSessions], no_terminal: None, profile: str, account_id: str, said: str
) -> None:
    sessions = open_sessions(broken(profile), WORKING)
    assert [each.account_id for each in sessions.accounts()] == [*filter(None, [account_id]), HOME_ACCOUNT]
    if account_id:
        assert not sessions.refused()
        with pytest.raises(CloudOpsError) as raised:
            sessions.client(account_id, "sqs", "eu-west-1")
        line = str(raised.value)
    else:
        (refused,) = sessions.refused()
        assert refused.name == "broken"
        line = refused.reason
    assert said in line
    assert line.startswith(f"account broken (profile {profile}): ")
    assert line.endswith(".")
    assert "\n" not in line
    assert "wJalrXUtnFEMI" not in line


@pytest.mark.parametrize(("profile", "account_id", "said"), BROKEN)
def test_if_no_account_can_be_entered_the_first_error_is_raised(
    *, open_sessions: Callable[..., AccountSessions], no_terminal: None, profile: str, account_id: str, said: str
) -> None:
    sessions = open_sessions(broken(profile), Account(name="other", profile="nobody"))
    for _ in range(2):
        with pytest.raises(CloudOpsError, match=said):
            sessions.accounts()


@pytest.mark.parametrize(("profile", "account_id", "said"), BROKEN)
def test_a_refused_account_that_is_chosen_raises_its_error(
    *, open_sessions: Callable[..., AccountSessions], no_terminal: None, profile: str, account_id: str, said: str
) -> None:
    sessions = open_sessions(broken(profile), WORKING)
    with pytest.raises(CloudOpsError, match=said):
        sessions.accounts({"broken"})
    sessions.accounts()
    if not account_id:
        with pytest.raises(CloudOpsError, match=said):
            sessions.accounts({"broken"})


def test_a_wrong_account_id_refuses_only_its_account(open_sessions: Callable[..., AccountSessions]) -> None:
    wrong = Account(name="wrong", profile="role", account_id=ONE)
    sessions = open_sessions(wrong, WORKING)
    assert [each.account_id for each in sessions.accounts()] == [ONE, HOME_ACCOUNT]
    with pytest.raises(ConfigurationError, match=f"leads to account {TWO}: the configured id is {ONE}"):
        sessions.client(ONE, "sqs", "eu-west-1")


def test_a_refused_account_without_an_id_is_tried_again_after_a_while(
    open_sessions: Callable[..., AccountSessions], server: SignOnServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sessions = open_sessions(broken("later"), Account(name="role", profile="role"))
    assert [each.name for each in sessions.accounts()] == ["role"]
    config = tmp_path / "aws-config"
    config.write_text(CONFIG.replace("[profile keys]", "[profile later]") + CONFIG, encoding="utf-8")
    assert [each.name for each in sessions.accounts()] == ["role"], "not within seconds"
    config.write_text(CONFIG.replace("[profile keys]", "[profile later]").split("[profile sso]")[0] + CONFIG)
    monkeypatch.setattr("cloudops_nb.aws.account_entry._REFUSAL_SECONDS", 0.0)
    assert [each.name for each in sessions.accounts()] == ["broken", "role"]
    assert not sessions.refused()


@pytest.mark.parametrize(("profile", "account_id"), [("role", TWO), ("sso", ONE)], ids=["role_arn", "sso_account_id"])
def test_a_chosen_id_that_a_profile_names_enters_no_other_account(
    open_sessions: Callable[..., AccountSessions], server: SignOnServer, profile: str, account_id: str
) -> None:
    sessions = open_sessions(WORKING, broken("unknown"), Account(name="chosen", profile=profile))
    if profile == "role":
        assert [each.name for each in sessions.accounts({account_id})] == ["chosen"]
        assert sessions.client(account_id, "sqs", "eu-west-1")
    else:
        with pytest.raises(CredentialsError, match="sign-on"):
            sessions.accounts({account_id})
    assert not [call for call in server.calls if call.endswith(f"GetCallerIdentity {HOME_ACCOUNT}")]
    assert not sessions.refused()


def test_a_client_of_a_known_id_enters_no_other_account(
    open_sessions: Callable[..., AccountSessions], server: SignOnServer
) -> None:
    sessions = open_sessions(WORKING, Account(name="role", profile="role"))
    assert sessions.client(TWO, "sqs", "eu-west-1")
    assert len([call for call in server.calls if "GetCallerIdentity" in call]) == 1


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_variables_take_precedence_over_the_default_profile_so_its_id_is_not_known(
    open_sessions: Callable[..., AccountSessions], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "role")
    (session,) = open_sessions(Account(name="")).likely_sessions()
    assert session.known_account_id == TWO
    monkeypatch.setenv(variable, "set")
    assert session.known_account_id == ""


def test_an_unlisted_organization_leaves_the_other_accounts(
    open_sessions: Callable[..., AccountSessions], server: SignOnServer
) -> None:
    organization = Account(name="organization", profile="unknown", organization_role="Scan")
    sessions = open_sessions(organization, WORKING)
    assert [each.name for each in sessions.accounts()] == ["working"]
    assert {each.name for each in sessions.refused()} == {"organization"}
    with pytest.raises(CredentialsError, match="no such AWS profile"):
        sessions.accounts({"organization"})


def test_a_code_can_be_asked_for_where_a_notebook_or_a_terminal_is(
    no_terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not credentials.can_ask_for_mfa_code()
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "123456")
    assert credentials.can_ask_for_mfa_code()
    assert credentials.prompt_for_mfa_code("") == "123456"


def test_a_notebook_that_cannot_ask_for_a_code_refuses_the_account(
    open_sessions: Callable[..., AccountSessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(prompt: str) -> str:
        raise NotImplementedError("raw_input was called, but this frontend does not support input requests")

    monkeypatch.setattr(getpass, "getpass", refuse)
    by_code = Account(name="code", role_arn=f"arn:aws:iam::{ONE}:role/Scan", source_profile="keys", mfa_serial=MFA)
    sessions = open_sessions(by_code, WORKING)
    assert len(sessions.accounts()) == 2
    with pytest.raises(CredentialsError, match="needs an MFA code"):
        sessions.caller(ONE)


def test_the_parameters_of_a_role_are_those_of_its_account(
    open_sessions: Callable[..., AccountSessions], server: SignOnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "123456")
    account = Account(
        name="partner",
        role_arn=f"arn:aws:iam::{ONE}:role/Scan",
        source_profile="keys",
        external_id="partner-42",
        mfa_serial=MFA,
        session_name="nightly",
        duration_seconds=900,
    )
    sessions = open_sessions(account)
    assert sessions.accounts()[0].account_id == ONE
    assert sessions.needs_mfa_code(ONE)
    assert not sessions.unattended_accounts()
    parameters = "RoleSessionName=nightly ExternalId=partner-42 DurationSeconds=900"
    code = f"SerialNumber={MFA} TokenCode=123456"
    called = f"sts.us-east-1.amazonaws.com AssumeRole RoleArn={account.role_arn} {parameters} {code}"
    assert server.calls[0] == called


def test_a_broken_account_hides_no_endpoint_of_the_others(
    open_sessions: Callable[..., AccountSessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://aws.example")
    assert open_sessions(broken("unknown"), WORKING).foreign_endpoints() == {"http://aws.example"}
    with pytest.raises(CredentialsError, match="no such AWS profile"):
        open_sessions(broken("unknown")).foreign_endpoints()


def test_the_members_of_an_organization_are_entered_with_the_parameters_of_the_entry() -> None:
    entry = Account(
        name="all", organization_role="Scan", external_id="partner", session_name="s1", duration_seconds=900
    )
    session = AccountSession(entry, SessionFactory("label", {}), 1)
    member = _member_account(session, {"Id": ONE, "Name": "shop"}, unique=True)
    assert (member.external_id, member.session_name, member.duration_seconds) == ("partner", "s1", 900)


# --- the report of a scan ---------------------------------------------------------------------------------------------


def scan(sessions: AccountSessions, **options: Any) -> tuple[Scanner, ScanReport]:
    specs = [spec for spec in bundled_specs() if spec.resource_type == "sqs_queue"]
    scanner = Scanner(sessions, threads=2, specs=specs)
    results = [item for item in scanner.scan(regions=["eu-west-1"], **options) if isinstance(item, CellResult)]
    names = {key: each.name for key, each in scanner.accounts.items()}
    return scanner, ScanReport("scan", datetime.now(UTC), 1.0, results, names, refused=scanner.refused)


def shown_in_a_terminal(report: ScanReport) -> str:
    return "\n".join(line for section in scan_sections(report) for line in section_text(section))


def test_a_report_names_each_refused_account_with_what_why_and_what_to_do(
    open_sessions: Callable[..., AccountSessions],
) -> None:
    accounts = [WORKING, Account(name="typo", profile="ke"), Account(name="sso", profile="sso")]
    scanner, report = scan(open_sessions(*accounts))
    assert set(scanner.accounts) == {HOME_ACCOUNT, ONE}
    assert [each.name for each in scanner.refused] == ["typo"]
    assert not report.complete

    text = str(report)
    (typo,) = [line for line in text.splitlines() if line.startswith("typo")]
    assert typo.split(maxsplit=2)[1:] == [
        "denied",
        "account typo (profile ke): there is no such AWS profile: did you mean keys? Correct the account's profile.",
    ]
    (sso,) = [line for line in text.splitlines() if line.startswith("sso ")]
    assert "the sign-on session is missing or expired" in sso
    assert sso.endswith("Run aws sso login --profile sso, or renew its keys.")

    (row,) = [row for row in report.cells.to_dict("records") if not row["account_id"]]
    assert (row["account_name"], row["state"]) == ("typo", "denied")
    for shown in (report._repr_html_(), shown_in_a_terminal(report)):
        assert "there is no such AWS profile" in shown
        assert "the sign-on session is missing or expired" in shown


def test_a_scan_of_chosen_accounts_reports_only_those(open_sessions: Callable[..., AccountSessions]) -> None:
    sessions = open_sessions(WORKING, Account(name="typo", profile="ke"))
    assert [each.name for each in scan(sessions, accounts=["working", "typo"])[0].refused] == ["typo"]
    assert not scan(sessions, accounts=["working"])[0].refused


def test_an_unknown_id_is_refused_with_the_accounts_that_could_not_be_entered(
    open_sessions: Callable[..., AccountSessions],
) -> None:
    sessions = open_sessions(WORKING, Account(name="typo", profile="ke"))
    with pytest.raises(ConfigurationError, match=f"unknown account {THREE}.*typo"):
        scan(sessions, accounts=[THREE])


def test_a_regular_scan_notes_the_accounts_that_were_not_entered() -> None:
    refused = [RefusedAccount("typo", CellState.DENIED, "there is no such AWS profile.")]
    report = ScanReport("scan", datetime.now(UTC), 1.0, [], refused=refused)
    assert _incomplete_cells(report) == "account typo was not entered: there is no such AWS profile."
