"""Every way into an account works as in boto3: the same calls, endpoint, region, partition, or the same error."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml
from botocore.credentials import AssumeRoleProvider
from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.aws.account_errors import ENTRY_FAILURES
from cloudops_nb.aws.regions import home_region
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.errors import CloudOpsError
from cloudops_nb.model import Account
from cloudops_nb.settings import load_settings
from tests.aws.sign_on_server import EXAMPLE_KEY_ID, SECRET, SignOnServer
from tests.synthetic_aws.models import loader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

pytestmark = pytest.mark.fast

_TABLE = yaml.safe_load(Path(__file__).with_name("configurations.yaml").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = _TABLE["cases"]
_KEYS = f"aws_access_key_id = {EXAMPLE_KEY_ID}\naws_secret_access_key = {SECRET}"
_SESSION_TOKEN_CACHES = ("botocore.credentials.SSOProvider", "botocore.tokens.SSOTokenProvider")


@dataclass(frozen=True)
class Outcome:
    """What came of a configuration; either ``error`` is set, or the last three fields are."""

    calls: list[str]
    error: str = ""
    endpoint: str = ""
    region: str = ""
    partition: str = ""


class Place:
    """The files, the environment and the person of a case."""

    def __init__(self, case: Mapping[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.case = case
        self._folder = folder
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            monkeypatch.delenv(name)
        for name, value in case.get("environment", {}).items():
            monkeypatch.setenv(name, self._filled(value))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
        for provider in _SESSION_TOKEN_CACHES:
            monkeypatch.setattr(f"{provider}._SSO_TOKEN_CACHE_DIR", str(folder / "sso"))
        monkeypatch.setattr(getpass, "getpass", self._answered)
        # botocore takes the function as a default when it is imported.
        defaults: Any = AssumeRoleProvider.__init__.__defaults__
        monkeypatch.setattr(AssumeRoleProvider.__init__, "__defaults__", (self._answered, *defaults[1:]))

    def write(self) -> None:
        """Write the files, also those that an earlier run has changed."""
        case = self.case
        for name in ("config", "credentials"):
            (self._folder / name).write_text(self._filled(case.get(name, "")), encoding="utf-8")
        for name, text in case.get("files", {}).items():
            (self._folder / name).write_text(text, encoding="utf-8")
        (self._folder / "sso").mkdir(exist_ok=True)
        for name, token in case.get("tokens", {}).items():
            # https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html: the name is a SHA-1.
            hashed = hashlib.sha1(name.encode()).hexdigest()  # noqa: S324
            (self._folder / "sso" / f"{hashed}.json").write_text(json.dumps(token), encoding="utf-8")

    def _filled(self, text: str) -> str:
        return text.replace("{keys}", _KEYS).replace("{folder}", str(self._folder))

    def _answered(self, prompt: str = "") -> str:
        if "code" not in self.case:
            raise EOFError
        return str(self.case["code"])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SignOnServer]:
    with SignOnServer().serving(monkeypatch) as serving:
        yield serving


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Mapping[str, Any]], Place]:
    return lambda case: Place(case, tmp_path, monkeypatch)


def expected(case: Mapping[str, Any]) -> Outcome:
    """What the references say of a case."""
    if "error" in case:
        return Outcome(case.get("calls", []), case["error"])
    return Outcome(case["calls"], "", case["endpoint"], case.get("client", "eu-west-1"), case.get("partition", "aws"))


def with_boto3(case: Mapping[str, Any], server: SignOnServer) -> Outcome:
    """Enter the account with nothing but boto3."""
    account = case["account"]
    try:
        session = boto3_session(account.get("profile") or account.get("source_profile"))
        region = session.region_name or case.get("boto3_region") or first(case.get("regions", ()))
        if "role_arn" in account:
            session = assumed(session.client("sts", region_name=region), account)
        session.client("sts", region_name=region).get_caller_identity()
        client = session.client("sqs", region_name=case.get("client", "eu-west-1"))
    except ClientError as error:
        return Outcome(server.calls, error.response["Error"]["Code"])
    except ENTRY_FAILURES as error:
        return Outcome(server.calls, type(error).__name__)
    meta = client.meta
    return Outcome(server.calls, "", meta.endpoint_url, meta.region_name, meta.partition)


def first(regions: list[str]) -> str:
    return next(iter(regions), home_region("aws"))


def assumed(sts: Any, account: Mapping[str, Any]) -> boto3.Session:
    """A session of the role of an account, as one writes it with boto3."""
    parameters = {"RoleArn": account["role_arn"], "RoleSessionName": account.get("session_name", "plain")}
    for name, key in (("ExternalId", "external_id"), ("DurationSeconds", "duration_seconds")):
        if key in account:
            parameters[name] = account[key]
    if "mfa_serial" in account:
        parameters |= {"SerialNumber": account["mfa_serial"], "TokenCode": getpass.getpass()}
    keys = sts.assume_role(**parameters)["Credentials"]
    return boto3_session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def boto3_session(profile: str | None = None, **keys: Any) -> boto3.Session:
    session = boto3.Session(profile_name=profile, **keys)
    session._session.register_component("data_loader", loader())
    return session


def with_accounts(case: Mapping[str, Any], server: SignOnServer) -> tuple[Outcome, str]:
    """Enter the account through this package; also return the text of an error."""
    settings = load_settings(environment={}, accounts=[{"name": "one", **case["account"]}])
    (account,) = (Account(**each.model_dump()) for each in settings.accounts)
    sessions = AccountSessions([account], regions=case.get("regions", ()))
    try:
        (entered,) = sessions.accounts()
        client = sessions.client(entered.account_id, "sqs", case.get("client", "eu-west-1"))
        partition = sessions.partition(entered.account_id)
    except CloudOpsError as error:
        cause = error.__cause__
        name = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else type(cause).__name__
        return Outcome(server.calls, name), str(error)
    finally:
        sessions.close()
    return Outcome(server.calls, "", client.meta.endpoint_url, client.meta.region_name, partition), ""


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_configuration_works_as_the_reference_says_and_as_in_boto3(
    case: Mapping[str, Any], server: SignOnServer, place: Callable[[Mapping[str, Any]], Place]
) -> None:
    files = place(case)
    server.refusals = case.get("refusals", {})
    files.write()
    plain = with_boto3(case, server)
    assert plain == expected(case), "boto3 alone"

    server.calls = []
    files.write()
    ours, text = with_accounts(case, server)
    assert ours == plain, "this package"
    if plain.error:
        assert case["says"] in text
        assert text.startswith("account one (")
        assert text.endswith(".")
        assert "\n" not in text
        assert SECRET not in text


def test_each_case_has_a_rule_of_a_page() -> None:
    assert len(CASES) >= 40
    assert len({case["case"] for case in CASES}) == len(CASES)
    assert all(case["rule"].endswith(".") for case in CASES)
    assert {case["page"] for case in CASES} == set(_TABLE["pages"])


def test_the_failures_that_are_refused_contain_all_of_botocores() -> None:
    assert issubclass(BotoCoreError, ENTRY_FAILURES)
    assert issubclass(ClientError, ENTRY_FAILURES)
