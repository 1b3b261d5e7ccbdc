"""The specs are valid, say what botocore's models say, and a wrong one is refused with its place."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.scanner import bundled_specs, load_specs
from cloudops_nb.scanner.rate_limit import rate_limit
from cloudops_nb.scanner.selectors import fields, select
from cloudops_nb.scanner.spec_files import parse_specs

if TYPE_CHECKING:
    from pathlib import Path

    from botocore.model import OperationModel, Shape

pytestmark = pytest.mark.fast

SPECS = pytest.mark.parametrize("spec", bundled_specs(), ids=lambda spec: spec.resource_type)
#: Inside strings of JSON, of which no model speaks.
WITHOUT_MODEL = {"deadLetterTargetArn"}

GOOD = """
service: rds
types:
  - resource_type: rds_instance
    cloudformation_type: AWS::RDS::DBInstance
    list: {operation: DescribeDBInstances, items: DBInstances}
    identifier: DBInstanceIdentifier
    arn: DBInstanceArn
"""


@cache
def _session() -> Any:
    return botocore.session.Session()


def _operation(service: str, name: str) -> OperationModel:
    return _session().get_service_model(service).operation_model(name)


def _sample(shape: Shape, depth: int = 0) -> Any:
    """Return an answer of a shape with every member there: lists of one, text that is a number too."""
    if depth > 12:
        return None
    if shape.type_name == "structure":
        return {name: _sample(member, depth + 1) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [_sample(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {key: _sample(shape.value, depth + 1) for key in getattr(shape.key, "enum", None) or ["key"]}
    if shape.type_name in ("integer", "long", "float", "double"):
        return 1
    return True if shape.type_name == "boolean" else "1"


def _names(data: Any) -> set[str]:
    if isinstance(data, dict):
        return set(data) | {name for value in data.values() for name in _names(value)}
    return {name for value in data for name in _names(value)} if isinstance(data, list) else set()


def _sample_item(spec: Any) -> dict[str, Any]:
    page = _sample(_operation(spec.service, spec.list.operation).output_shape)
    (item,) = select(spec.list.items, page)
    for detail in spec.details:
        item[detail.into] = _sample(_operation(spec.service, detail.operation).output_shape)
    return item


@SPECS
def test_the_list_operation_exists_and_takes_its_parameters(spec: Any) -> None:
    operation = _operation(spec.service, spec.list.operation)
    report = ParamValidator().validate(spec.list.parameters, operation.input_shape)
    assert not report.has_errors(), report.generate_report()


@SPECS
def test_pages_are_as_large_as_the_paginator_allows(spec: Any) -> None:
    rules = _session().get_paginator_model(spec.service).get_paginator(spec.list.operation)
    limit = _operation(spec.service, spec.list.operation).input_shape.members[rules["limit_key"]]
    assert spec.list.page_size is not None
    assert limit.metadata.get("min", 1) <= spec.list.page_size <= limit.metadata.get("max", 10_000)


@SPECS
def test_every_field_that_a_selector_mentions_is_in_the_model(spec: Any) -> None:
    item = _sample_item(spec)
    known = _names(item) | WITHOUT_MODEL
    selectors = [spec.identifier, spec.name, spec.arn, spec.state, spec.region, spec.owner]
    selectors += [spec.tags.path] if spec.tags else []
    selectors += [relation.path for relation in spec.relations] + [*spec.facts.values(), *spec.metadata.values()]
    rules = (*spec.constraints.can_start, *spec.constraints.can_stop, *spec.constraints.can_delete)
    selectors += [rule.when for rule in rules] + [detail.when for detail in spec.details]
    for selector in filter(None, selectors):
        assert fields(selector) <= known, selector


@SPECS
def test_what_every_resource_has_is_found_where_the_spec_says(spec: Any) -> None:
    item = _sample_item(spec)
    selectors = [spec.identifier, spec.name, spec.arn, spec.state, spec.region, spec.owner]
    selectors += [spec.tags.path] if spec.tags else []
    selectors += [selector for selector in spec.metadata.values() if not WITHOUT_MODEL & fields(selector)]
    for selector in filter(None, selectors):
        assert select(selector, item) is not None, selector


@SPECS
def test_detail_operations_exist_and_take_their_parameters(spec: Any) -> None:
    item = _sample_item(spec)
    for detail in spec.details:
        operation = _operation(spec.service, detail.operation)
        given = {name: select(selector, item) for name, selector in detail.parameters.items()}
        assert not ParamValidator().validate(given, operation.input_shape).has_errors(), detail.operation


@SPECS
def test_relations_lead_to_types_that_have_a_spec(spec: Any) -> None:
    types = {each.resource_type for each in bundled_specs()}
    assert {relation.resource_type for relation in spec.relations} <= types


@SPECS
def test_actions_are_of_operations_that_exist(spec: Any) -> None:
    """IAM's own names differ from the API's in S3; elsewhere they are operations of the service."""
    if spec.service == "s3":
        return
    prefix = {"elbv2": "elasticloadbalancing"}.get(spec.service, spec.service)
    operations = _session().get_service_model(spec.service).operation_names
    for action in spec.actions:
        service, name = action.split(":")
        assert service == prefix
        assert name in operations


@SPECS
def test_listing_has_a_published_or_cautious_rate(spec: Any) -> None:
    limit = rate_limit(spec.service, spec.list.operation)
    assert 0 < limit.per_second <= limit.burst


def test_the_seed_services_and_more_have_specs() -> None:
    services = {spec.service for spec in bundled_specs()}
    assert {"ec2", "rds", "s3", "lambda", "elbv2", "iam", "autoscaling", "dynamodb", "sqs"} <= services
    assert all(hasattr(spec, "actions") and spec.actions for spec in bundled_specs())
    assert xform_name(bundled_specs()[0].list.operation)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("identifier:", "identifer:"), "7:5 identifer: Extra inputs are not permitted"),
        (GOOD.replace("arn: DB", "arn: ["), "9:"),
        (
            GOOD.replace("identifier: DBInstanceIdentifier", "identifier: 'DB.['"),
            "7:5 identifier: 'DB.[' is no JMESPath",
        ),
        (GOOD.replace("    arn: DBInstanceArn\n", ""), "give either arn or arn_template"),
        (GOOD + '    arn_template: "arn:{zone}"\n', "9:5 arn_template: 'arn:{zone}' may name only partition"),
        (GOOD + "    scope: account\n", "region goes with scope account"),
        (GOOD + "    constraints: {can_stop: [{value: false}]}\n", "a value that is not true needs a reason"),
        (
            GOOD + "    constraints: {can_stop: [{value: true, when: A}]}\n",
            "exactly the last rule must have no condition",
        ),
        (GOOD + "    tags: {style: tagging_api, path: Tags}\n", "tagging_api takes a filter and no path"),
        ("service: rds\n", "types: Field required"),
        ("types: []\nservice: rds\n", "1:1 types: Tuple should have at least 1 item"),
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
    assert all(
        word in str(raised.value) for word in ("identifer", "list.items", "list.item:", "identifier: Field required")
    )


def test_a_users_folder_adds_and_replaces_types(tmp_path: Path) -> None:
    (tmp_path / "rds.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "kms.yaml").write_text(
        "service: kms\ntypes:\n  - resource_type: kms_key\n    cloudformation_type: AWS::KMS::Key\n"
        "    list: {operation: ListKeys, items: Keys}\n    identifier: KeyId\n    arn: KeyArn\n",
        encoding="utf-8",
    )
    specs = {spec.resource_type: spec for spec in load_specs(tmp_path)}
    assert len(specs) == len(bundled_specs()) + 1
    assert specs["kms_key"].service == "kms"
    assert specs["rds_instance"].facts == {}


def test_a_missing_folder_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the spec folder"):
        load_specs(tmp_path / "nowhere")


def test_a_type_declared_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="rds_instance is declared twice"):
        load_specs(tmp_path)
