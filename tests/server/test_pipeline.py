"""The server's answers to requests as they come over the wire."""

from __future__ import annotations

import json

import pytest

from cloudops_nb import protocol
from cloudops_nb.errors import PromptError
from cloudops_nb.server.pipeline import PlaybookServer
from cloudops_nb.ssm.catalogue import Catalogue

pytestmark = pytest.mark.fast


@pytest.fixture(scope="module")
def server():
    return PlaybookServer(Catalogue.bundled())


def handle(resource_type="rds_instance", **facets):
    fields = {"state": "available", "environment": "staging", **facets}
    return {"slot": "r1", "kind": "resource", "facets": {"resource_type": resource_type, **fields}}


def ask(server, words, *handles, **fields):
    body = {"protocol": protocol.VERSION, "request_id": "0" * 32, "words": words.split(), "handles": handles, **fields}
    return protocol.PlanResponse.model_validate_json(server.handle(json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("words", "target", "playbook"),
    [
        ("stop r1", handle(), "rds-stop"),
        ("please start r1 now", handle(state="stopped"), "rds-start"),
        ("take a snapshot of r1", handle(), "rds-snapshot"),
        ("shut r1 down", handle("ec2_instance", state="running"), "ec2-stop"),
        ("turn r1 on", handle("ec2_instance", state="stopped"), "ec2-start"),
        ("bounce r1", handle("ec2_instance", state="running"), "ec2-reboot"),
    ],
)
def test_a_request_finds_its_playbook(server, words, target, playbook):
    answer = ask(server, words, target)
    assert answer.kind == "plan", answer.text
    assert answer.playbook.id == playbook
    assert "r1" in {binding.slot for binding in answer.bindings}


def test_production_is_one_level_up_and_says_so(server):
    staging, production = (ask(server, "stop r1", handle(environment=e)) for e in ("staging", "production"))
    levels = ["low", "medium", "high", "critical"]
    assert levels.index(production.level) == levels.index(staging.level) + 1
    assert "It is production." in production.reasons


def test_many_at_once_are_one_level_up_and_say_so(server):
    several = {
        "slot": "r1", "kind": "set", "resource_type": "rds_instance", "states": {"available": "6-20"},
        "environments": {"staging": "6-20"},
    }  # fmt: skip
    few, many = (ask(server, "stop all r1", {**several, "count": count}) for count in ("2-5", "6-20"))
    levels = ["low", "medium", "high", "critical"]
    assert levels.index(many.level) == levels.index(few.level) + 1
    assert "It acts on 6-20 resources." in many.reasons
    assert not [reason for reason in few.reasons if reason.startswith("It acts on")]


def test_a_request_without_an_action_is_refused_without_confidence(server):
    answer = ask(server, "the database r1", handle())
    assert (answer.kind, answer.confidence) == ("refusal", 0.0)
    assert answer.text.startswith("No playbook does that on rds_instance.")


def test_a_type_that_is_not_published_has_no_playbook(server):
    answer = ask(server, "stop r1", handle("other"))
    assert (answer.kind, answer.playbook) == ("refusal", None)
    assert answer.text.startswith("No playbook does stop on this resource.")


def test_a_state_that_does_not_fit_is_refused_with_what_is_needed(server):
    answer = ask(server, "stop r1", handle(state="stopped"))
    assert answer.kind == "refusal"
    assert answer.text == "r1 is stopped; this needs available."


def test_a_state_that_is_not_published_blocks_nothing(server):
    assert ask(server, "stop r1", handle(state="other")).kind == "plan"


def test_a_configuration_that_says_no_is_refused(server):
    assert "says no" in ask(server, "stop r1", handle(constraints={"can_stop": "false"})).text


def test_of_a_state_that_does_not_fit_nothing_but_the_state_is_said(server):
    answer = ask(server, "stop r1", handle(state="stopped", constraints={"can_stop": "false"}))
    assert answer.text == "r1 is stopped; this needs available."


def test_a_denied_action_is_refused(server):
    assert "IAM denies" in ask(server, "stop r1", handle(iam={"rds:StopDBInstance": "denied"})).text


def test_one_member_of_a_set_that_does_not_fit_refuses_the_set(server):
    several = {
        "slot": "r1", "kind": "set", "resource_type": "rds_instance", "count": "2-5",
        "states": {"available": "2-5", "stopped": "1"}, "environments": {"staging": "2-5"},
    }  # fmt: skip
    assert "r1 is stopped" in ask(server, "stop all r1", several).text


def test_what_no_playbook_does_is_said_with_the_nearest_three(server):
    answer = ask(server, "terminate r1", handle())
    assert answer.kind == "refusal"
    assert "No playbook does terminate" in answer.text
    assert len(answer.alternatives) == 3


def test_a_type_that_no_playbook_acts_on_is_refused(server):
    assert ask(server, "stop r1", handle("s3_bucket", state="none")).kind == "refusal"


def test_without_a_target_it_asks_for_one(server):
    answer = ask(server, "stop the database")
    assert answer.kind == "clarification"
    assert [blank.value_type for blank in answer.blanks] == ["resource"]


def test_a_typed_value_fills_a_parameter_of_its_type(server):
    values = [{"slot": "v1", "value_type": "place"}, {"slot": "v2", "value_type": "text"}]
    answer = ask(server, "snapshot r1 in v1 as v2", handle(), values=values)
    assert {binding.parameter: binding.slot for binding in answer.bindings}["DBSnapshotIdentifier"] == "v2"


def test_both_parts_of_a_pair_come_from_its_slot(server):
    values = [{"slot": slot, "value_type": "key_value"} for slot in ("v1", "v2")]
    answer = ask(server, "tag r1 with v1 v2", handle("ec2_instance", state="running"), values=values)
    assert answer.kind == "plan", answer.text
    bound = {binding.parameter: binding.slot for binding in answer.bindings}
    assert (bound["TagKey"], bound["TagValue"]) == ("v1", "v1")


def test_the_last_exchange_gives_the_action_that_is_missing(server):
    answer = ask(server, "the same for r1", handle(), history=[{"words": ["stop", "r1"], "intent": "stop"}])
    assert answer.playbook.id == "rds-stop"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"\xff", b'{"protocol": "cloudops/9"}', b" " * (protocol.MAX_BYTES + 1)]
)
def test_what_is_no_request_is_refused_in_one_line(server, body):
    with pytest.raises(PromptError) as caught:
        server.handle(body)
    assert "\n" not in str(caught.value)


def test_the_same_request_gets_the_same_answer(server):
    assert ask(server, "stop r1", handle()) == ask(server, "stop r1", handle())
