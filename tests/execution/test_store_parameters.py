"""Defaults may refer to Parameter Store: String and StringList, read without decryption, and read again as drift."""

from __future__ import annotations

from typing import Any

import pytest

from cloudops_nb.errors import DriftError, PlanError
from cloudops_nb.execution.plan import PlanStatus
from cloudops_nb.execution.rendering import Scope
from cloudops_nb.execution.store_parameters import StoreParameters
from tests.execution.sample_documents import Scripted, bound, each, look, nested, own_document, stop

SIZE, NAMES = "{{ssm:/app/size}}", ["{{ ssm:/app/names }}"]


def put(aws: Any, name: str, value: str, kind: str = "String") -> None:
    aws.client("ssm").put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def document(kind: str, default: Any, **fields: Any) -> Any:
    parameter = {"Wanted": {"type": kind, "default": default, **fields}}
    return own_document("read", [each("each", "{{ Wanted }}", look())], parameters=parameter)


@pytest.mark.parametrize(
    ("stored", "store_kind", "kind", "default", "shown"),
    [
        ("large", "String", "String", SIZE, "large"),
        ("large", "String", "String", f"x-{SIZE}", "x-large"),
        ("5", "String", "Integer", SIZE, 5),
        ("a,b", "StringList", "StringList", SIZE, ["a", "b"]),
        ("a,b", "StringList", "StringList", [SIZE], ["a", "b"]),
    ],
)
def test_a_default_takes_the_value_of_its_parameter(
    *, aws: Any, make_engine: Any, account: Any, stored: str, store_kind: str, kind: str, default: Any, shown: Any
) -> None:
    put(aws, "/app/size", stored, store_kind)
    playbook = document(kind, default)
    plan = make_engine(playbook).prepare(bound(playbook), account=account)
    assert plan.parameters == {"Wanted": shown}
    (read,) = plan.store_parameters
    assert (read.name, read.type, read.value, read.version) == ("/app/size", store_kind, stored, 1)
    assert any(check.what == "the parameter /app/size of Parameter Store is read" for check in plan.checks)


def test_a_given_value_needs_no_parameter_store(aws: Any, make_engine: Any, account: Any) -> None:
    playbook = document("String", SIZE)
    plan = make_engine(playbook).prepare(bound(playbook, Wanted="mine"), account=account)
    assert (plan.parameters, plan.store_parameters) == ({"Wanted": "mine"}, ())


def test_a_secure_string_is_refused_and_never_decrypted(aws: Any, make_engine: Any, account: Any) -> None:
    put(aws, "/app/size", "hunter2", "SecureString")
    sent: list[bytes] = []
    aws.hook("ssm", "before-send.ssm.GetParameter", lambda request, **_: sent.append(request.body))
    playbook = document("String", SIZE)
    with pytest.raises(PlanError, match="SecureString") as refusal:
        make_engine(playbook).prepare(bound(playbook), account=account)
    assert "hunter2" not in str(refusal.value)
    assert b'"WithDecryption": false' in sent[0]


def test_a_parameter_that_is_missing_is_named(aws: Any, make_engine: Any, account: Any) -> None:
    playbook = document("String", SIZE)
    with pytest.raises(PlanError, match="/app/size of Parameter Store cannot be read: ParameterNotFound"):
        make_engine(playbook).prepare(bound(playbook), account=account)


@pytest.mark.parametrize(
    ("kind", "stored", "fields", "problem"),
    [
        ("Integer", "many", {}, "it is not of type Integer"),
        ("String", "many", {"allowedValues": ["few"]}, "it is not one of few"),
        ("String", "{{ look.Id }}", {}, "it holds {{"),
    ],
)
def test_a_stored_value_that_does_not_fit_is_refused(
    *, aws: Any, make_engine: Any, account: Any, kind: str, stored: str, fields: Any, problem: str
) -> None:
    playbook = document(kind, SIZE, **fields)
    executor = Scripted(GetParameter=parameter(stored))
    with pytest.raises(PlanError, match=f"the default of parameter Wanted of own-read does not fit: {problem}"):
        make_engine(playbook, executor=executor).prepare(bound(playbook), account=account)


def parameter(value: str) -> dict[str, Any]:
    return {"Parameter": {"Type": "String", "Value": value, "Version": 1}}


def test_a_stored_value_cannot_smuggle_a_reference_into_a_nested_document(
    *, aws: Any, make_engine: Any, account: Any
) -> None:
    child = own_document("child", [stop("stop", "{{ Id }}")], parameters={"Id": {"type": "String", "default": SIZE}})
    parent = own_document("parent", [look("find", {"Id": "$.Id"}), nested("inner", "child")])
    engine = make_engine(parent, child, executor=Scripted(GetParameter=parameter("{{ find.Id }}")))
    with pytest.raises(PlanError, match=r"it holds \{\{"):
        engine.prepare(bound(parent), account=account)


def test_the_default_of_a_nested_document_is_read_once_for_all(aws: Any, make_engine: Any, approved: Any) -> None:
    put(aws, "/app/size", "large")
    child = own_document(
        "child", [each("each", ["{{ Size }}"], look())], parameters={"Size": {"type": "String", "default": SIZE}}
    )
    parent = own_document("parent", [nested("one", "child"), nested("two", "child")])
    engine = make_engine(parent, child)
    plan = approved(engine, bound(parent))
    assert [each.name for each in plan.store_parameters] == ["/app/size"]
    execution = engine.apply(plan)
    assert execution.wait(30) is PlanStatus.COMPLETED
    assert execution.outputs[""]["two/each.CurrentIteratorValue"] == "large"


@pytest.mark.parametrize("value", ["small", "large"])
def test_another_value_or_version_since_the_plan_is_drift(
    *, aws: Any, make_engine: Any, approved: Any, value: str
) -> None:
    put(aws, "/app/size", "large")
    playbook = document("String", SIZE)
    engine = make_engine(playbook)
    plan = approved(engine, bound(playbook))
    put(aws, "/app/size", value)
    with pytest.raises(DriftError, match=r"/app/size of Parameter Store changed .*its version was 1 and is 2"):
        engine.apply(plan)


def test_an_unchanged_parameter_lets_the_plan_run_with_the_value_that_was_shown(
    *, aws: Any, make_engine: Any, approved: Any
) -> None:
    put(aws, "/app/names", "a,b", "StringList")
    playbook = document("StringList", NAMES)
    engine = make_engine(playbook)
    execution = engine.apply(approved(engine, bound(playbook)))
    assert execution.wait(30) is PlanStatus.COMPLETED
    assert execution.outputs[""]["each.CurrentIteratorValue"] == "b"


def test_the_reader_knows_names_of_parameter_store_alone(clock: Any) -> None:
    executor = Scripted(GetParameter=parameter("large"))
    reader = StoreParameters(executor, Scope("1", "eu-central-1", "aws", clock(), ""))
    assert "global:REGION" not in reader
    with pytest.raises(KeyError):
        reader["global:REGION"]
    assert (list(reader), len(reader)) == ([], 0)
    assert reader["ssm:/app/size"] == reader["ssm:/app/size"] == "large"
    assert (list(reader), len(reader), len(executor.calls)) == (["ssm:/app/size"], 1, 1)
