"""Types beyond the bundled ones, a user's own and Cloud Control's: scanned, stored, found, and kept at home."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from cloudops_nb import CloudOps
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.cli.main import main
from cloudops_nb.errors import AwsError, ConfigurationError
from cloudops_nb.notebook import extension
from tests.synthetic_aws import SyntheticAws
from tests.synthetic_aws.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "eu-west-1"
QUERY = "AWS::Athena::NamedQuery"
POLLY = """\
service: polly
types:
  - resource_type: polly_lexicon
    cloudformation_type: AWS::Polly::Lexicon
    list: {operation: ListLexicons, items: Lexicons}
    identifier: Name
    arn: Attributes.LexiconArn
    metadata: {alphabet: Attributes.Alphabet}
    constraints: {can_delete: [{value: true}]}
    actions: [polly:DeleteLexicon]
"""
ARN = f"arn:aws:polly:{REGION}:123456789012:lexicon/checkoutwords"
LEXICON = {
    "Name": "checkoutwords",
    "Attributes": {
        "Alphabet": "ipa",
        "LexiconArn": ARN,
        "LastModified": datetime(2025, 1, 1, tzinfo=UTC),
    },
}
QUERIES = [
    {"Identifier": name, "Properties": json.dumps({"NamedQueryId": name, "Name": f"{name}-report"})}
    for name in ("revenue", "churn")
]


class Estate:
    """A client on an AWS that knows of pronunciation lexicons and saved queries."""

    def __init__(self, home: Path, environment: pytest.MonkeyPatch, **settings: Any) -> None:
        self.home = home
        (home / "specs").mkdir(parents=True, mode=0o700)
        (home / "specs" / "polly.yaml").write_text(POLLY, encoding="utf-8")
        self.aws = SyntheticAws(regions=[REGION])
        self.aws.estate["*", "*", "polly", "ListLexicons"] = [LEXICON]
        self.aws.estate["*", "*", "cloudcontrol", "ListResources"] = QUERIES
        for name, value in self.aws.environment.items():
            environment.setenv(name, value)
        self.ops = CloudOps(home, key_file=str(home.parent / "key"), regions=[REGION], **settings)
        self.ops.parts.sessions = AccountSessions(self.aws.accounts, events=self.aws.events())
        self.report = self.ops.scan(services=["polly_lexicon", QUERY, "sqs"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, models_path: Path) -> Iterator[Estate]:
    """An estate in which a lexicon, two queries and three databases were scanned."""
    home = tmp_path_factory.mktemp("own") / "store"
    with pytest.MonkeyPatch.context() as environment:
        estate = Estate(home, environment, embedding_path=str(models_path), qdrant_idle_seconds=2.0)
        yield estate
        estate.ops.close()


@pytest.fixture
def estate(made: Estate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """The scanned estate; what a test changes in the AWS behind it is taken back."""
    for name, value in made.aws.environment.items():
        monkeypatch.setenv(name, value)
    answers = dict(made.aws.estate)
    yield made
    made.aws.estate = answers
    made.aws.faults.clear()


def test_a_type_of_ones_own_is_scanned_and_found_by_name_meaning_and_filter(estate: Estate) -> None:
    assert not estate.report.failures
    (found,) = estate.ops.resources(resource_type="polly_lexicon").itertuples()
    assert (found.identifier, found.service, found.cell_state) == ("checkoutwords", "polly", "ok")
    assert found.arn == ARN
    (hit,) = estate.ops.storage.estate.lookup("checkoutwords")
    assert hit.metadata == {"alphabet": "ipa"}
    for query in ("checkoutwords", "polly lexicon", "pronunciation lexicons", ARN):
        assert estate.ops.search(query, limit=1).iloc[0].identifier == "checkoutwords", query
    assert "polly_lexicon" in estate.ops.places()["resource_types"]
    assert len(estate.ops.search("checkout", service="polly")) == 1
    assert estate.ops.search("checkout", service="sqs").empty


def test_types_of_ones_own_are_listed_as_such(estate: Estate) -> None:
    types = estate.ops.resource_types().set_index("resource_type")
    assert types.loc["polly_lexicon", "source"] == "own"
    assert types.loc["sqs_queue", "source"] == "bundled"
    assert (types.source == "own").sum() == 1


def test_a_type_of_ones_own_may_replace_a_bundled_one(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "sqs.yml").write_text(POLLY.replace("polly_lexicon", "sqs_queue"), encoding="utf-8")
    result = CliRunner().invoke(main, ["--data-path", str(tmp_path), "iam-policy", "--type", "sqs_queue"])
    assert "polly:ListLexicons" in result.output
    assert "sqs:ListQueues" not in result.output


def test_the_policy_of_a_type_of_ones_own_is_printed(estate: Estate) -> None:
    result = CliRunner().invoke(main, ["--data-path", str(estate.home), "iam-policy", "--type", "polly"])
    assert "polly:ListLexicons" in json.loads(result.output)["Statement"][0]["Action"]


def test_what_is_gone_leaves_the_store_and_what_comes_enters_it(estate: Estate) -> None:
    estate.aws.estate["*", "*", "polly", "ListLexicons"] = [{**LEXICON, "Name": "returnwords"}]
    estate.aws.estate["*", "*", "cloudcontrol", "ListResources"] = QUERIES[:1]
    assert not estate.ops.scan(services=["polly", QUERY]).failures
    assert set(estate.ops.resources(service="polly").identifier) == {"returnwords"}
    assert set(estate.ops.resources(service="athena").identifier) == {"revenue"}
    estate.aws.estate["*", "*", "polly", "ListLexicons"] = [LEXICON]
    estate.aws.estate["*", "*", "cloudcontrol", "ListResources"] = QUERIES
    estate.ops.scan(services=["polly", QUERY])
    assert set(estate.ops.resources(service="athena").identifier) == {"revenue", "churn"}


def test_a_cloud_control_type_is_found_like_any_other(estate: Estate) -> None:
    found = estate.ops.resources(resource_type="athena_named_query").set_index("identifier")
    assert found.loc["churn", "name"] == "churn-report"
    assert estate.ops.search("churn report", limit=1).iloc[0].identifier == "churn"
    assert estate.ops.search("athena named queries", limit=1).iloc[0].service == "athena"


@pytest.mark.parametrize(
    ("prompt", "secret"), [("stop checkoutwords", "polly_lexicon"), ("delete churn-report", "athena_named_query")]
)
def test_what_is_sent_does_not_say_what_is_not_published(estate: Estate, prompt: str, secret: str) -> None:
    body = estate.ops.preview(prompt)
    assert b'"resource_type":"other"' in body
    for word in (secret, *secret.split("_"), "checkoutwords", "churn"):
        assert word.encode() not in body


@pytest.mark.parametrize(
    ("code", "told", "meant"),
    [
        ("TypeNotFoundException", "no such type", "CloudFormation has no such type in this region"),
        ("UnsupportedActionException", "LIST is not supported", "Cloud Control cannot list this type"),
        (
            "InvalidRequestException",
            "Missing Or Invalid ResourceModel property. Required property: [ClusterName]",
            "listed for one parent at a time",
        ),
        ("InvalidRequestException", "this token is not valid", "InvalidRequestException: this token is not valid"),
        ("AccessDeniedException", "not authorized to perform: athena:ListNamedQueries", "the type's own service"),
    ],
)
def test_a_type_that_cannot_be_listed_says_what_that_means_and_keeps_its_rows(
    estate: Estate, code: str, told: str, meant: str
) -> None:
    from tests.synthetic_aws.errors import error

    estate.aws.faults.append(Fault(lambda call, _: error(call, code, 400, told), operation="ListResources"))
    (cell,) = estate.ops.scan(services=[QUERY]).cells.itertuples()
    detail = str(cell.detail)
    assert meant in detail
    assert code in detail
    assert told.rsplit(maxsplit=1)[-1].strip("[]") in detail
    assert ("one parent" in detail) == ("ResourceModel" in told)
    assert "\n" not in detail
    assert len(estate.ops.resources(service="athena")) == 2
    estate.aws.faults.clear()
    assert not estate.ops.scan(services=[QUERY]).failures


def test_aws_is_asked_for_the_types_beyond_the_declared_ones(estate: Estate) -> None:
    names = [QUERY, "AWS::SQS::Queue", "AWS::Polly::Lexicon", *(f"AWS::Made::Up{number:03}" for number in range(150))]
    estate.aws.estate["*", "*", "cloudformation", "ListTypes"] = lambda call: [
        {"TypeName": name} for name in names if call.parameters["ProvisioningType"] == "FULLY_MUTABLE"
    ]
    types = estate.ops.resource_types(cloud_control=True).set_index("cloudformation_type")
    beyond = types[types.source == "Cloud Control"]
    assert set(beyond.index) == {QUERY, *names[3:]}
    assert beyond.loc[QUERY, "service"] == "athena"
    assert types.loc["AWS::Polly::Lexicon", "source"] == "own"


@pytest.mark.parametrize("trouble", ["denied", "reset"])
def test_types_that_aws_does_not_tell_are_one_line_that_names_the_permission(estate: Estate, trouble: str) -> None:
    estate.aws.faults.append(Fault(trouble, operation="ListTypes"))
    with pytest.raises(AwsError) as caught:
        estate.ops.resource_types(cloud_control=True)
    assert "cloudformation:ListTypes" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_is_the_same_line_in_client_notebook_and_command(estate: Estate, tmp_path: Path) -> None:
    mistaken = estate.home / "specs" / "mine.yaml"
    mistaken.write_text(POLLY.replace("ListLexicons", "ListLexicon"), encoding="utf-8")
    try:
        with pytest.raises(ConfigurationError) as caught:
            estate.ops.scan()
        told = str(caught.value)
        assert "mine.yaml is not a valid spec: 5:12 polly has no operation ListLexicon" in told
        assert _in_a_notebook(estate.ops, "%cloudops_scan") == [f"ConfigurationError: {told}"]
        words = ["--data-path", str(estate.home), "scan"]
        environment = {"CLOUDOPS_KEY_FILE": str(estate.home.parent / "key")}
        result = CliRunner().invoke(main, words, env=environment)
        assert result.output == f"Error: ConfigurationError: {told}\n"
    finally:
        mistaken.unlink()
    assert not estate.ops.scan(services=["polly"]).failures, "corrected, it is read without a restart"


def _in_a_notebook(ops: CloudOps, line: str) -> list[str]:
    """Return what a cell shows of the error that it raises."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    shell = InteractiveShell(config=config)
    try:
        extension.load(shell, lambda **_: ops)
        extension._LOADED[shell].session._cloudops = ops
        error = shell.run_cell(line, store_history=False).error_in_exec
        assert isinstance(error, ConfigurationError)
        extension._LOADED[shell].session._cloudops = None
        extension.unload(shell)
        return error._render_traceback_()
    finally:
        shell.restore_sys_module_state()
