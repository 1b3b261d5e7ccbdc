"""Sessions of accounts: by profile, by role and ambient; and one clear line for each mistake."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from botocore.client import BaseClient
from botocore.session import Session as BotocoreSession

from cloudops_nb.aws import sessions as entering
from cloudops_nb.aws.account_session import AccountSession, Caller
from cloudops_nb.aws.fast_botocore.event_hooks import QuickSession
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.errors import AwsUnreachableError, CloudOpsError, ConfigurationError, CredentialsError
from cloudops_nb.model import Account

if TYPE_CHECKING:
    from pathlib import Path

PROD, STAGE = "123456789012", "111122223333"
BY_PROFILE = Account(name="prod", profile="prod")
BY_ROLE = Account(name="stage", role_arn=f"arn:aws:iam::{STAGE}:role/audit/Scan", source_profile="prod")


def test_accounts_have_aws_ids_in_the_configured_order(aws: Any, open_sessions: Any) -> None:
    sessions = open_sessions(BY_ROLE, BY_PROFILE)
    assert [(each.name, each.account_id) for each in sessions.accounts()] == [("stage", STAGE), ("prod", PROD)]


def test_a_role_session_carries_our_label(aws: Any, open_sessions: Any) -> None:
    by_profiles_role = Account(name="stage", profile="stage")
    for account in (BY_ROLE, by_profiles_role):
        sessions = open_sessions(account, label="cloudops-nb-0a1b2c")
        assert sessions.accounts()[0].account_id == STAGE
        assert sessions.caller(STAGE).arn == f"arn:aws:sts::{STAGE}:assumed-role/Scan/cloudops-nb-0a1b2c"


def test_without_accounts_the_ambient_credentials_are_used(
    aws: Any, open_sessions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "stage")
    (account,) = open_sessions().accounts()
    assert (account.account_id, account.name) == (STAGE, STAGE)


def test_a_client_is_made_once_and_shared_by_threads(aws: Any, open_sessions: Any) -> None:
    sessions = open_sessions(BY_PROFILE)
    sessions.accounts()
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(sessions.client(PROD, "rds", "eu-west-1"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, made))) == 1
    sessions.release(PROD, "eu-west-1")
    assert sessions.client(PROD, "rds", "eu-west-1") is not made[0]


def test_sessions_share_one_loader_of_service_models(aws: Any, open_sessions: Any) -> None:
    sessions = open_sessions(BY_PROFILE, BY_ROLE)
    sessions.accounts()
    loaders = {id(each._session.get_component("data_loader")) for each in sessions._configured}
    assert len(loaders) == 1


def test_global_means_the_partitions_home_region(aws: Any, open_sessions: Any) -> None:
    sessions = open_sessions(BY_PROFILE)
    assert sessions.client(PROD, "iam", "global").meta.region_name == "us-east-1"


def test_clients_are_configured_for_many_threads_and_bounded_retries(aws: Any, open_sessions: Any) -> None:
    config = open_sessions(BY_PROFILE, threads=33).client(PROD, "rds", "eu-west-1").meta.config
    assert config.max_pool_connections == 33
    assert config.retries == {"mode": "standard", "total_max_attempts": 5}
    assert (config.connect_timeout, config.read_timeout, config.tcp_keepalive) == (5, 30, True)


def test_only_the_chosen_accounts_are_entered(aws: Any, open_sessions: Any, faults: Any) -> None:
    sessions = open_sessions(BY_PROFILE, BY_ROLE, events=faults.events)
    assert [each.name for each in sessions.accounts({"prod"})] == ["prod"]
    assert faults.made("sts:AssumeRole") == 0
    assert [each.name for each in sessions.accounts({STAGE})] == ["stage"]
    assert [each.name for each in sessions.accounts()] == ["prod", "stage"]
    assert faults.made("sts:GetCallerIdentity") == 2


@pytest.mark.parametrize(
    ("account", "kind", "message"),
    [
        (Account(name="prod", profile="prd"), CredentialsError, "no such AWS profile: did you mean prod?"),
        (
            Account(name="prod", profile="prod", account_id=STAGE),
            ConfigurationError,
            f"leads to account {PROD}: the configured id is {STAGE}",
        ),
        (Account(name=""), CredentialsError, "ambient credentials: no AWS credentials"),
    ],
)
def test_a_wrong_profile_or_role_is_one_clear_line(
    aws: Any, open_sessions: Any, account: Account, kind: type[CloudOpsError], message: str
) -> None:
    with pytest.raises(kind) as raised:
        open_sessions(account).accounts()
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.fix


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("sts:GetCallerIdentity", "ExpiredToken", "account prod (profile prod): the credentials have expired"),
        (
            "sts:GetCallerIdentity",
            "InvalidClientTokenId",
            "account prod (profile prod): AWS does not accept the credentials",
        ),
        ("sts:GetCallerIdentity", "SignatureDoesNotMatch", "AWS does not accept the credentials"),
    ],
)
def test_refused_credentials_are_one_clear_line(
    *, aws: Any, open_sessions: Any, faults: Any, refuse: Any, operation: str, code: str, message: str
) -> None:
    faults.set(operation, refuse(code, 403))
    with pytest.raises(CredentialsError) as raised:
        open_sessions(BY_PROFILE, events=faults.events).accounts()
    assert message in str(raised.value)
    assert "wJalrXUtnFEMI" not in str(raised.value)


def test_a_refused_role_names_the_role(aws: Any, open_sessions: Any, faults: Any, refuse: Any) -> None:
    faults.set("sts:AssumeRole", refuse("AccessDenied", 403))
    with pytest.raises(CredentialsError, match=f"role arn:aws:iam::{STAGE}:role/audit/Scan.: the role was refused"):
        open_sessions(BY_ROLE, events=faults.events).accounts()


def test_a_role_without_source_credentials_is_a_credentials_error(aws: Any, open_sessions: Any) -> None:
    with pytest.raises(CredentialsError, match="no AWS credentials"):
        open_sessions(Account(name="stage", role_arn=BY_ROLE.role_arn)).accounts()


def test_a_refused_account_stays_with_the_others_and_raises_its_own_error(
    aws: Any, open_sessions: Any, faults: Any, refuse: Any
) -> None:
    faults.set("sts:AssumeRole", refuse("AccessDenied", 403))
    sessions = open_sessions(BY_PROFILE, BY_ROLE, events=faults.events)
    assert [each.account_id for each in sessions.accounts()] == [PROD, STAGE]
    assert sessions.client(PROD, "rds", "eu-west-1")
    with pytest.raises(CredentialsError, match="the role was refused"):
        sessions.client(STAGE, "rds", "eu-west-1")
    assert sessions.regions_assumed(STAGE)


def test_a_refused_account_is_tried_again_after_a_while(
    aws: Any, open_sessions: Any, faults: Any, refuse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.set("sts:AssumeRole", refuse("AccessDenied", 403), calls=range(1, 2))
    sessions = open_sessions(BY_PROFILE, BY_ROLE, events=faults.events)
    sessions.accounts()
    monkeypatch.setattr("cloudops_nb.aws.account_entry._REFUSAL_SECONDS", 0.0)
    assert sessions.caller(STAGE).account_id == STAGE


def test_an_endpoint_that_is_down_fails_within_seconds(
    aws_config: Path, open_sessions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(AwsUnreachableError, match=r"account prod .profile prod.: AWS does not answer"):
            open_sessions(BY_PROFILE).accounts()


def test_one_account_configured_twice_is_refused(aws: Any, open_sessions: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"are the same account, {PROD}"):
        open_sessions(BY_PROFILE, Account(name="again", profile="prod")).accounts()


def test_an_unknown_account_is_refused_with_a_list_of_the_configured_ones(aws: Any, open_sessions: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{STAGE} is not configured: the accounts are {PROD} \(prod\)"):
        open_sessions(BY_PROFILE).client(STAGE, "rds", "eu-west-1")


def test_a_config_file_that_cannot_be_read_is_a_configuration_error(
    aws: Any, aws_config: Path, open_sessions: Any
) -> None:
    aws_config.write_text("[profile prod\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="the AWS configuration is not usable"):
        open_sessions(BY_PROFILE).accounts()


def test_the_caller_identity_of_renewed_credentials_is_checked(aws: Any, open_sessions: Any, faults: Any) -> None:
    sessions = open_sessions(BY_PROFILE, events=faults.events)
    sessions.accounts()
    first = sessions.caller(PROD)
    sessions.renew(PROD, sessions.generation(PROD))
    assert sessions.caller(PROD) == first
    assert sessions.caller(PROD) == first
    assert faults.made("sts:GetCallerIdentity") == 2


def test_renewed_credentials_of_another_account_are_refused(aws: Any, open_sessions: Any, aws_config: Path) -> None:
    sessions = open_sessions(BY_PROFILE)
    sessions.accounts()
    told = f"now leads to account {STAGE}, not {PROD}"
    profiles = aws_config.read_text(encoding="utf-8")
    aws_config.write_text(
        profiles.replace("[profile prod]", "[profile base]")
        .replace("source_profile = prod", "source_profile = base")
        .replace("[profile stage]", "[profile prod]"),
        encoding="utf-8",
    )
    sessions.renew(PROD, sessions.generation(PROD))
    for ask in (sessions.caller, lambda account: sessions.client(account, "ec2", "eu-west-1")):
        with pytest.raises(ConfigurationError, match=told):
            ask(PROD)


def test_a_fresh_caller_identity_can_be_requested(aws: Any, open_sessions: Any, faults: Any, refuse: Any) -> None:
    sessions = open_sessions(BY_PROFILE, events=faults.events)
    sessions.accounts()
    assert sessions.caller(PROD, fresh=True) == sessions.caller(PROD)
    assert faults.made("sts:GetCallerIdentity") == 2
    faults.set("sts:GetCallerIdentity", refuse("ExpiredToken", 403))
    with pytest.raises(CredentialsError, match="have expired"):
        sessions.caller(PROD, fresh=True)


def test_a_proxy_set_after_the_first_client_is_used(
    aws: Any, open_sessions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies: dict[str, str] = {}
    monkeypatch.setattr("cloudops_nb.aws.account_session.getproxies", lambda: proxies)
    sessions = open_sessions(BY_PROFILE)
    sessions.accounts()
    assert sessions.client(PROD, "rds", "eu-west-1").meta.config.proxies == {}, "nobody need look for any"
    proxies["https"] = "http://proxy.example:3128"
    assert sessions.client(PROD, "rds", "us-east-1").meta.config.proxies is None, "botocore looks for them"


def test_regions_are_listed_again_with_renewed_credentials(
    aws: Any, open_sessions: Any, faults: Any, refuse: Any
) -> None:
    faults.set("ec2:DescribeRegions", refuse("UnauthorizedOperation", 403), calls=range(1, 2))
    sessions = open_sessions(BY_PROFILE, events=faults.events)
    sessions.accounts()
    sessions.regions(PROD)
    assert sessions.regions_assumed(PROD)
    sessions.renew(PROD, sessions.generation(PROD))
    sessions.regions(PROD)
    assert not sessions.regions_assumed(PROD)


def test_custom_endpoints_are_looked_up_again_with_renewed_credentials(
    aws: Any, open_sessions: Any, aws_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = open_sessions(BY_PROFILE)
    sessions.accounts()
    assert sessions.offers(PROD, "apprunner", "eu-north-1")
    sessions.renew(PROD, sessions.generation(PROD))
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        monkeypatch.delenv(name)
    assert not sessions.offers(PROD, "apprunner", "eu-north-1")


def test_identity_calls_leave_no_connection_open(aws: Any, open_sessions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(BaseClient, "close", lambda client: closed.append(client.meta.service_model.service_name))
    open_sessions(BY_PROFILE).accounts()
    assert closed == ["sts"]


def test_an_mfa_code_is_asked_for_once_and_in_the_calling_thread(
    aws: Any, open_sessions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def identify(session: AccountSession) -> CredentialsError:
        asked.append(threading.current_thread().name)
        return CredentialsError("the code was refused")

    monkeypatch.setattr(entering, "caller_or_refusal", identify)
    monkeypatch.setattr(AccountSession, "needs_mfa_code", True)
    monkeypatch.setattr(AccountSession, "regions", lambda _: asked.append("for regions"))
    with pytest.raises(CredentialsError, match="the code was refused"):
        open_sessions(BY_PROFILE).accounts(with_regions=True)
    assert asked == [threading.current_thread().name]


def test_an_interrupt_stops_the_listing_of_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, interrupted = [], threading.Event()

    def regions(session: AccountSession) -> tuple[str, ...]:
        asked.append(session)
        interrupted.wait(30)
        return ()

    def identify(_: AccountSession) -> Caller:
        threading.Timer(0.2, interrupted.set).start()
        raise KeyboardInterrupt

    monkeypatch.setattr(AccountSession, "regions", regions)
    monkeypatch.setattr(entering, "caller_or_refusal", identify)
    accounts = [Account(name=str(number), account_id=f"{number:012d}") for number in range(100)]
    with pytest.raises(KeyboardInterrupt):
        AccountSessions(accounts).accounts(with_regions=True)
    assert len(asked) < len(accounts)


def test_credentials_and_the_callers_identity_come_from_plain_botocore(
    aws: Any, open_sessions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    create = BotocoreSession.create_client

    def noted(session: BotocoreSession, service: Any, *arguments: Any, **keywords: Any) -> Any:
        made.append((service, type(session)))
        return create(session, service, *arguments, **keywords)

    monkeypatch.setattr(BotocoreSession, "create_client", noted)
    sessions = open_sessions(BY_ROLE)
    sessions.accounts(with_regions=True)
    assert set(made) == {("sts", BotocoreSession), ("ec2", QuickSession)}
    reading, acting = (sessions.client(STAGE, "sts", "eu-west-1", each) for each in ("GetCallerIdentity", ""))
    assert {each.get_caller_identity()["Account"] for each in (reading, acting)} == {STAGE}
    assert made[-2:] == [("sts", QuickSession), ("sts", BotocoreSession)]
