"""The bundled declarations are valid and agree with botocore's models; a wrong one is refused with its position."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest
import yaml

from cloudops_nb.aws.regions import default_regions
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.scanner.calls.rate_limiter import rate_limit
from cloudops_nb.specs.checked_files import CheckedFiles
from cloudops_nb.specs.checks import spec_problems
from cloudops_nb.specs.checks.paging_checks import missing_page_sizes
from cloudops_nb.specs.checks.problem import SpecProblem, nearest
from cloudops_nb.specs.checks.selector_checks import identity_problems
from cloudops_nb.specs.files import bundled_specs, load_specs, parse_specs
from tests.specs.iam_action_checks import action_name_problems, action_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from cloudops_nb.specs.model import ResourceSpec

pytestmark = pytest.mark.fast

FILES = sorted(
    (
        each
        for each in resources.files("cloudops_nb.specs").joinpath("services").iterdir()
        if each.name.endswith(".yaml")
    ),
    key=lambda each: each.name,
)
#: Where IAM's prefix is not the service's own name, nor the name under which its requests are signed.
PREFIXES = yaml.safe_load(
    """
    apigatewayv2: [apigateway]
    cloudwatch: [cloudwatch]
    docdb: [rds]
    efs: [elasticfilesystem]
    elb: [elasticloadbalancing]
    elbv2: [elasticloadbalancing]
    emr: [elasticmapreduce]
    neptune: [rds]
    opensearch: [es]
    sesv2: [ses]
    stepfunctions: [states]
    """
)
#: Services whose actions may appear with the resources of any service.
BESIDE = ("iam", "kms", "application-autoscaling", "autoscaling", "ec2")
#: Services whose IAM actions have other names than their operations.
OWN_ACTION_NAMES = {"s3", "apigateway", "apigatewayv2", "backup", "elasticbeanstalk", "lambda"}


GOOD = """
service: rds
types:
  - resource_type: rds_instance
    cloudformation_type: AWS::RDS::DBInstance
    list: {operation: DescribeDBInstances, items: DBInstances}
    identifier: DBInstanceIdentifier
    arn: DBInstanceArn
"""


#: Types whose ARN ends in an id that only a description tells: a row whose description fails waits for the next scan.
ONLY_DESCRIBED = {"eks_nodegroup", "eks_addon", "eks_fargate_profile"}


def check_all(check: Callable[[ResourceSpec], Iterable[object]], fix: str = "") -> None:
    """Fail with a line for each thing that a check finds wrong with a bundled spec: its type, the place, what to do."""
    found = [
        f"{spec.resource_type}: {said(each)}{fix}" for spec in bundled_specs() for each in dict.fromkeys(check(spec))
    ]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def said(problem: object) -> str:
    """Return a problem as a person reads it, that of a spec with its place."""
    return (
        f"{'.'.join(map(str, problem.path))}: {problem.message}" if isinstance(problem, SpecProblem) else str(problem)
    )


def test_every_bundled_file_is_valid() -> None:
    wrong: list[str] = []
    types: list[ResourceSpec] = []
    for file in FILES:
        try:
            types += parse_specs(file.read_text(encoding="utf-8"), file.name, own=False)
        except ConfigurationError as error:
            wrong.append(str(error))
    assert not wrong, "\n".join(wrong)
    assert [spec.resource_type for spec in bundled_specs()] == [spec.resource_type for spec in types]


def test_specs_agree_with_botocores_models() -> None:
    def check(spec: ResourceSpec) -> Iterator[object]:
        yield from spec_problems(spec)
        yield from missing_page_sizes(spec)
        if spec.resource_type not in ONLY_DESCRIBED:
            yield from identity_problems(spec, "arn")

    check_all(check)


def test_relations_lead_to_types_that_have_a_spec() -> None:
    types = {spec.resource_type for spec in bundled_specs()}

    def check(spec: ResourceSpec) -> list[str]:
        to = [relation.resource_type for relation in spec.relations]
        return [f"relation to {name}, which has no spec{nearest(name, types)}" for name in to if name not in types]

    check_all(check)


def test_actions_carry_iams_prefix_and_are_of_operations_that_exist() -> None:
    def check(spec: ResourceSpec) -> list[str]:
        named = [] if spec.service in OWN_ACTION_NAMES else action_name_problems(spec, BESIDE)
        return [*action_problems(spec, PREFIXES, BESIDE), *named]

    check_all(check, "; where IAM differs from botocore, add the service to PREFIXES or OWN_ACTION_NAMES here")


def test_listings_have_a_published_or_cautious_rate() -> None:
    def check(spec: ResourceSpec) -> list[str]:
        limit = rate_limit(spec.service, spec.list.operation)
        return [] if 0 < limit.per_second <= limit.burst else [str(limit)]

    check_all(check)


def test_a_home_is_a_region_that_every_account_has() -> None:
    assert {spec.home for spec in bundled_specs() if spec.home} <= set(default_regions("aws"))


def test_the_seed_services_and_more_have_specs() -> None:
    services = {spec.service for spec in bundled_specs()}
    assert {"ec2", "rds", "s3", "lambda", "elbv2", "iam", "autoscaling", "dynamodb", "sqs"} <= services


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("identifier:", "identifer:"), "7:5 identifer: "),
        (GOOD.replace("arn: DB", "arn: ["), "9:"),
        (
            GOOD.replace("identifier: DBInstanceIdentifier", "identifier: 'DB.['"),
            "7:5 identifier: 'DB.[' is not valid JMESPath",
        ),
        (GOOD.replace("    arn: DBInstanceArn\n", ""), "give either arn or arn_template"),
        (GOOD + '    arn_template: "arn:{zone}"\n', "9:5 arn_template: 'arn:{zone}' may contain only partition"),
        (GOOD + "    scope: account\n", "region is required with scope account"),
        (GOOD + "    constraints: {can_stop: [{value: false}]}\n", "a value that is not true needs a reason"),
        (
            GOOD + "    constraints: {can_stop: [{value: true, when: A}]}\n",
            "the last rule must have no condition, and every other rule must have one",
        ),
        (GOOD + "    home: us-west-2\n", "home is allowed only with scope global"),
        (
            GOOD.replace("items: DBInstances", "items: DBInstances, absent: [AccessDenied]"),
            "AccessDenied means that AWS refused to answer, not that there are no resources",
        ),
        (GOOD + "    tags: {style: tagging_api, path: Tags}\n", "tagging_api takes a filter and no path"),
        ("service: rds\n", "1:1 types: "),
        ("types: []\nservice: rds\n", "1:1 types: "),
        ("", "is empty"),
    ],
)
def test_a_wrong_spec_is_refused_with_line_and_column(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_specs(text, "mine.yaml")
    assert message in str(raised.value)
    assert "mine.yaml" in str(raised.value)


def test_every_problem_of_a_file_is_named_at_once() -> None:
    text = GOOD.replace("identifier: ", "identifer: ").replace("items: DB", "item: DB")
    with pytest.raises(ConfigurationError) as raised:
        parse_specs(text, "mine.yaml")
    assert all(word in str(raised.value) for word in ("identifer: ", "identifier: ", "list.items: ", "list.item: "))


def test_a_users_folder_adds_and_replaces_types(tmp_path: Path) -> None:
    (tmp_path / "rds.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "polly.yaml").write_text(
        "service: polly\ntypes:\n  - resource_type: polly_word_list\n    cloudformation_type: AWS::Polly::Lexicon\n"
        "    list: {operation: ListLexicons, items: Lexicons}\n    identifier: Name\n    arn: Attributes.LexiconArn\n",
        encoding="utf-8",
    )
    specs = {spec.resource_type: spec for spec in load_specs(tmp_path)}
    assert len(specs) == len(bundled_specs()) + 1
    assert specs["polly_word_list"].service == "polly"
    assert specs["rds_instance"].facts == {}


def test_a_missing_folder_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the spec folder"):
        load_specs(tmp_path / "nowhere")


def test_a_type_declared_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="rds_instance is declared twice"):
        load_specs(tmp_path)


UNSAFE = """
service: ec2
types:
  - resource_type: ec2_victim
    list: {operation: %(list)s, items: Reservations}
    identifier: InstanceId
    arn_template: ""
    %(more)s
"""


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(
    ("listed", "more", "refused"),
    [
        ("TerminateInstances", "", r" 5:\d+ .*TerminateInstances is not an operation that only reads"),
        (
            "DescribeInstances",
            "details: [{operation: StopInstances, parameters: {}, into: x}]",
            r" 8:\d+ .*StopInstances is not",
        ),
        (
            "DescribeInstances",
            "details: [{operation: GetPasswordData, parameters: {}, into: x}]",
            r" 8:\d+ .*returns secrets",
        ),
        (
            "DescribeInstances",
            "batches: [{operation: RebootInstances, keys: K, key: I, items: X, match: Y, size: 1, into: z}]",
            r" 8:\d+ .*RebootInstances is not",
        ),
        (
            "DescribeInstances",
            "parent: {list: {operation: RunInstances, items: I}, parameters: {}, into: p}",
            r" 8:\d+ .*RunInstances is not",
        ),
        ("GetSecretValue", "api: secretsmanager", r" 5:\d+ .*returns secrets"),
    ],
)
def test_an_operation_that_does_not_only_read_is_refused_in_every_call(
    listed: str, more: str, refused: str, own: bool
) -> None:
    with pytest.raises(ConfigurationError, match=refused):
        parse_specs(UNSAFE % {"list": listed, "more": more}, "victim.yaml", own=own)


def test_a_file_that_is_recorded_as_checked_is_refused_all_the_same(tmp_path: Path) -> None:
    text = UNSAFE % {"list": "TerminateInstances", "more": ""}
    (tmp_path / "victim.yaml").write_text(text, encoding="utf-8")
    record = CheckedFiles(tmp_path)
    record.add(text)
    record.save()
    with pytest.raises(ConfigurationError, match="only reads"):
        load_specs(tmp_path)
