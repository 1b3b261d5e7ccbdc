"""Filling an answer with real values, whatever the server says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudops_nb.errors import EgressRefusedError, PlaybookError
from cloudops_nb.protocol import Binding, PlanResponse, PlaybookVersion
from cloudops_nb.request.bind import bind
from cloudops_nb.request.resolve import Resolver
from cloudops_nb.ssm.catalogue import Catalogue
from cloudops_nb.ssm.metadata import ParameterSource
from tests.request.estates import Abilities, MemoryEstate, database, environment_of, instance

pytestmark = pytest.mark.fast
ESTATE = [instance(), database(), database("pg-2", arn="arn:pg2")]


def resolve(prompt):
    resolution = Resolver(MemoryEstate(ESTATE), environment_of, Abilities()).resolve(prompt)
    assert resolution.question == ""
    return resolution


def answer(playbook_id, text="", sha256="", **bindings):
    ref = Catalogue.bundled().get(playbook_id).ref
    return PlanResponse(
        request_id="0" * 32,
        kind="plan",
        text=text,
        reasons=("Perfectly harmless.",),
        playbook=PlaybookVersion(id=ref.id, version=ref.version, sha256=sha256 or ref.sha256),
        bindings=tuple(Binding(parameter=name, slot=slot) for name, slot in bindings.items()),
    )


def test_the_words_on_the_card_are_the_hosts_own():
    response = answer("ec2-stop", text="Start r1: bring it back.", InstanceId="r1")
    bound = bind(response, resolve("stop web-1"), Catalogue.bundled())
    assert "bring it back" not in bound.explanation
    assert "web-1" in bound.explanation
    assert "Perfectly harmless." not in bound.reasons


@pytest.mark.parametrize(
    ("playbook_id", "bindings", "said"),
    [
        ("ec2-start", {"InstanceId": "r1"}, "no answer to a request to stop"),
        ("rds-stop", {"DBInstanceIdentifier": "r1"}, "does not act on ec2_instance"),
        ("ec2-stop", {"InstanceId": "v1"}, "binds no target"),
        ("ec2-stop", {}, "binds no target"),
        ("ec2-stop", {"InstanceId": "r1", "Force": "v9"}, "does not have"),
    ],
)
def test_an_answer_that_does_not_fit_the_request_is_refused(playbook_id, bindings, said):
    with pytest.raises(EgressRefusedError, match=said):
        bind(answer(playbook_id, **bindings), resolve("stop web-1"), Catalogue.bundled())


@pytest.mark.parametrize(
    ("bindings", "said"),
    [
        ([("TagKey", "v1"), ("TagValue", "v2")], "from different values"),
        ([("TagKey", "v2"), ("TagValue", "v1")], "from different values"),
        ([("TagKey", "v1"), ("TagKey", "v2"), ("TagValue", "v1")], "binds a parameter twice"),
        ([("TagKey", "v1"), ("TagValue", "v1"), ("InstanceId", "r1")], "binds a parameter twice"),
        ([("TagKey", "v1")], "from different values"),
        ([("TagKey", "v3"), ("TagValue", "v3")], "v3, which was not sent"),
        ([("TagKey", "r1"), ("TagValue", "r1")], "r1, which was not sent"),
        ([("TagKey", "v1"), ("TagValue", "v1"), ("AutomationAssumeRole", "v2")], "takes none|does not have"),
    ],
)
def test_bindings_that_break_a_rule_of_the_metadata_are_refused(bindings, said):
    response = answer("ec2-tag", InstanceId="r1")
    more = tuple(Binding(parameter=name, slot=slot) for name, slot in bindings)
    response = response.model_copy(update={"bindings": response.bindings + more})
    with pytest.raises(EgressRefusedError, match=said):
        bind(response, resolve("tag web-1 with A=b C=d"), Catalogue.bundled())


def test_the_card_names_up_to_three_targets_and_counts_the_rest():
    said = []
    for count in (3, 4, 6):
        estate = [database(f"pg-{number}", arn=f"arn:pg{number}") for number in range(1, count + 1)]
        resolution = Resolver(MemoryEstate(estate), environment_of, Abilities()).resolve("stop all databases")
        bound = bind(answer("rds-stop", DBInstanceIdentifier="r1"), resolution, Catalogue.bundled())
        said.append(bound.explanation.partition(" on ")[2].partition(":")[0])
    assert said == ["pg-1, pg-2, pg-3", "pg-1, pg-2, pg-3 and 1 more", "pg-1, pg-2, pg-3 and 3 more"]


def test_a_playbook_may_act_on_more_types_than_the_request_names():
    bundled = Catalogue.bundled().get("ec2-stop")
    types = {"resource_types": (*bundled.metadata.resource_types, "rds_instance")}
    playbook = replace(bundled, metadata=bundled.metadata.model_copy(update=types))
    bound = bind(answer("ec2-stop", InstanceId="r1"), resolve("stop web-1"), Catalogue([playbook]))
    assert [target.name for target in bound.targets] == ["web-1"]


def test_a_place_is_no_value_that_a_playbook_must_use():
    bound = bind(answer("ec2-stop", InstanceId="r1"), resolve("stop web-1 in eu-west-1"), Catalogue.bundled())
    assert [target.name for target in bound.targets] == ["web-1"]


def test_an_answer_cannot_act_where_the_prompt_has_no_target():
    response = answer("ec2-stop", InstanceId="r1")
    with pytest.raises(EgressRefusedError, match="binds no target"):
        bind(response, replace(resolve("stop web-1"), members=()), Catalogue.bundled())


def test_a_plan_without_a_playbook_is_refused():
    response = answer("ec2-stop", InstanceId="r1").model_copy(update={"playbook": None})
    with pytest.raises(EgressRefusedError, match="a plan without a playbook"):
        bind(response, resolve("stop web-1"), Catalogue.bundled())


def test_a_value_of_another_type_is_refused():
    response = answer("rds-snapshot", DBInstanceIdentifier="r1", DBSnapshotIdentifier="v1")
    resolution = replace(resolve("snapshot pg-2 as mine"), types={"v1": "number"})
    with pytest.raises(EgressRefusedError, match="of type number, not text"):
        bind(response, resolution, Catalogue.bundled())


def test_two_values_of_one_type_cannot_be_exchanged():
    bundled = Catalogue.bundled().get("ec2-tag")
    text = ParameterSource(source="prompt", description="A text.", value_type="text")
    parameters = {**bundled.metadata.parameters, "TagKey": text, "TagValue": text}
    playbook = replace(bundled, metadata=bundled.metadata.model_copy(update={"parameters": parameters}))
    resolution = replace(resolve("tag web-1 with A=b C=d"), types={"v1": "text", "v2": "text"})
    bound = bind(answer("ec2-tag", InstanceId="r1", TagKey="v1", TagValue="v2"), resolution, Catalogue([playbook]))
    assert bound.parameters == {"TagKey": "A=b", "TagValue": "C=d"}
    for slots in (("v2", "v1"), ("v1", "v1")):
        response = answer("ec2-tag", InstanceId="r1", TagKey=slots[0], TagValue=slots[1])
        with pytest.raises(EgressRefusedError, match="in another order than the prompt's"):
            bind(response, resolution, Catalogue([playbook]))


def test_a_playbook_of_other_content_is_refused():
    with pytest.raises(PlaybookError):
        bind(answer("ec2-stop", sha256="0" * 64, InstanceId="r1"), resolve("stop web-1"), Catalogue.bundled())


def test_a_value_that_the_answer_leaves_unused_is_refused():
    response = answer("ec2-tag", InstanceId="r1", TagKey="v1", TagValue="v1")
    assert bind(response, resolve("tag web-1 with A=b"), Catalogue.bundled()).parameters == {
        "TagKey": "A",
        "TagValue": "b",
    }
    with pytest.raises(PlaybookError, match="C=d"):
        bind(response, resolve("tag web-1 with A=b C=d"), Catalogue.bundled())


def test_one_name_for_several_targets_is_refused():
    response = answer("rds-snapshot", DBInstanceIdentifier="r1", DBSnapshotIdentifier="v1")
    with pytest.raises(PlaybookError, match="each of 2 targets"):
        bind(response, resolve("snapshot all databases as mine"), Catalogue.bundled())


def test_a_name_for_one_target_and_a_tag_for_several_are_bound():
    named = answer("rds-snapshot", DBInstanceIdentifier="r1", DBSnapshotIdentifier="v1")
    tagged = answer("ec2-tag", InstanceId="r1", TagKey="v1", TagValue="v1")
    estate = MemoryEstate([instance(), instance(name="web-2", arn="arn:web-2")])
    several = Resolver(estate, environment_of, Abilities()).resolve("tag all instances with A=b")
    assert len(several.members) == 2
    assert bind(named, resolve("snapshot pg-2 as mine"), Catalogue.bundled()).parameters == {
        "DBSnapshotIdentifier": "mine"
    }
    assert bind(tagged, several, Catalogue.bundled()).parameters == {"TagKey": "A", "TagValue": "b"}
