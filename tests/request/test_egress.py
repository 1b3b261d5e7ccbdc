"""The gate: nothing unpublished passes, and nothing leaves that is not on record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloudops_nb import protocol
from cloudops_nb.errors import EgressRefusedError
from cloudops_nb.model import JournalRecord, Ternary
from cloudops_nb.request.builder import build, private_values
from cloudops_nb.request.egress import EgressGate, check, serialise
from cloudops_nb.request.resolve import Resolver
from cloudops_nb.request.transport import HttpTransport, InProcessTransport
from tests.request.estates import Abilities, MemoryEstate, environment_of, instance

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.fast


def request_for(prompt="stop web-1"):
    resolution = Resolver(MemoryEstate([instance()]), environment_of, Abilities()).resolve(prompt)
    return build(resolution, environment_of), private_values(resolution, prompt, ["123456789012", "eu-west-1"])


class Recorder:
    """A ledger and a transport in one, so that their order shows."""

    destination = "test"

    def __init__(self, answer: bytes = b"{}") -> None:
        self.events: list[Any] = []
        self.answer = answer

    def append(self, kind: str, subject: str, body: Mapping[str, Any]) -> JournalRecord:
        self.events.append((kind, subject, body))
        return JournalRecord(len(self.events), datetime.now(UTC), kind, subject, body)

    def send(self, body: bytes) -> bytes:
        self.events.append(("sent", body))
        return self.answer


def response(request, **fields):
    data = {"request_id": request.request_id, "kind": "refusal", "text": "no", **fields}
    return protocol.PlanResponse.model_validate(data).model_dump_json().encode()


def test_a_request_is_on_record_before_it_leaves_with_its_whole_body():
    request, private = request_for()
    recorder = Recorder(response(request))
    answer, size = EgressGate(recorder, recorder).send(request, private)
    (kind, subject, body), (_, sent) = recorder.events
    assert (kind, subject) == ("egress", request.request_id)
    assert body["body"].encode() == sent
    assert size == body["bytes"] == len(sent)
    assert answer.text == "no"


def test_what_cannot_be_recorded_does_not_leave():
    class Broken(Recorder):
        def append(self, kind: str, subject: str, body: Mapping[str, Any]) -> JournalRecord:
            raise OSError("disk full")

    request, private = request_for()
    recorder = Broken()
    with pytest.raises(OSError, match="disk full"):
        EgressGate(recorder, recorder).send(request, private)
    assert recorder.events == []


@given(st.text(min_size=1))
@example("false")
def test_a_foreign_string_anywhere_in_the_document_is_refused(text):
    """Whatever stands in any string of a request, unpublished text does not pass."""
    request, _ = request_for()
    document = json.loads(serialise(request))
    published = protocol.closed_words() | set(Ternary)
    for path in _paths(document):
        changed = json.loads(serialise(request))
        _set(changed, path, text)
        body = json.dumps(changed, sort_keys=True).encode()
        if text in published or protocol.SLOT.fullmatch(text) or body == serialise(request):
            continue
        with pytest.raises(EgressRefusedError):
            check(body, set())


def test_a_foreign_key_is_refused():
    request, _ = request_for()
    document = json.loads(serialise(request)) | {"note": "stop"}
    with pytest.raises(EgressRefusedError):
        check(json.dumps(document).encode(), set())


@pytest.fixture
def schema_with_a_hole(monkeypatch):
    """The schema as it would be if somebody widened it too far."""
    monkeypatch.setattr(protocol.PlanRequest, "model_validate_json", lambda _: None)


@pytest.mark.usefixtures("schema_with_a_hole")
def test_the_closed_sets_hold_if_the_schema_does_not():
    request, _ = request_for()
    check(serialise(request), set())
    for foreign in (b'"secretname"', b'"v1secretname"'):
        with pytest.raises(EgressRefusedError, match="not published"):
            check(serialise(request).replace(b'"stop"', foreign), set())
    with pytest.raises(EgressRefusedError, match="not published"):
        check(serialise(request).replace(b'"words"', b'"secretname":[],"words"'), set())


@pytest.mark.usefixtures("schema_with_a_hole")
def test_the_request_id_carries_nothing_if_the_schema_does_not_hold():
    request, _ = request_for()
    smuggled = "web-1-in-acme-core-of-production"
    with pytest.raises(EgressRefusedError, match="not random hex") as caught:
        check(serialise(request).replace(request.request_id.encode(), smuggled.encode()), set())
    assert smuggled not in str(caught.value)


@pytest.mark.usefixtures("schema_with_a_hole")
def test_the_private_values_hold_if_schema_and_closed_sets_do_not(monkeypatch):
    monkeypatch.setattr("cloudops_nb.request.egress._is_published", lambda _: True)
    request, private = request_for()
    check(serialise(request), private)
    with pytest.raises(EgressRefusedError, match="value of the estate"):
        check(serialise(request).replace(b'"stop"', b'"my-secretname-1"'), {"SecretName"})


def test_a_private_value_that_equals_the_text_is_refused_without_repeating_it():
    request, _ = request_for()
    with pytest.raises(EgressRefusedError) as caught:
        check(serialise(request).replace(b'"stop"', b'"secretname"'), {"secretname"})
    assert "secretname" not in str(caught.value)


def test_a_resource_that_is_called_like_a_slot_stops_no_request():
    request, _ = request_for()
    check(serialise(request), {"r1", " V1 ", ""})


def test_an_oversized_request_is_refused():
    request, _ = request_for()
    check(serialise(request).ljust(protocol.MAX_BYTES), set())
    with pytest.raises(EgressRefusedError, match="too large"):
        check(b" " * (protocol.MAX_BYTES + 1), set())


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b"not json", b'{"kind": "plan"}'])
def test_an_answer_outside_the_protocol_is_refused(answer):
    request, private = request_for()
    recorder = Recorder(answer)
    with pytest.raises(EgressRefusedError, match="protocol"):
        EgressGate(recorder, recorder).send(request, private)


def test_an_answer_to_another_request_is_refused():
    request, private = request_for()
    recorder = Recorder(response(request, request_id="f" * 32))
    with pytest.raises(EgressRefusedError, match="another request"):
        EgressGate(recorder, recorder).send(request, private)


def test_an_answer_that_is_too_large_is_refused_unread():
    request, private = request_for()
    recorder = Recorder(b" " * protocol.MAX_BYTES + response(request))
    with pytest.raises(EgressRefusedError, match="too large"):
        EgressGate(recorder, recorder).send(request, private)
    recorder.answer = response(request).rjust(protocol.MAX_BYTES)
    answer, _ = EgressGate(recorder, recorder).send(request, private)
    assert answer.text == "no"


def test_the_record_names_the_server_that_a_request_was_sent_to():
    request, private = request_for()
    destinations = []
    for transport in (HttpTransport("http://127.0.0.1:1", deadline=10.0), InProcessTransport(lambda _: b"")):
        ledger = Recorder()
        with pytest.raises(EgressRefusedError):
            EgressGate(transport, ledger).send(request, private)
        ((_, _, body),) = ledger.events
        destinations.append(body["destination"])
    assert destinations == ["http://127.0.0.1:1", "in-process"]


def test_two_requests_differ_in_their_id_alone():
    (first, _), (second, _) = request_for(), request_for()
    assert first.request_id != second.request_id
    assert first.model_copy(update={"request_id": second.request_id}) == second


def _paths(value, prefix=()):
    if isinstance(value, str):
        yield prefix
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*prefix, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _paths(inner, (*prefix, place))


def _set(document, path, text):
    for part in path[:-1]:
        document = document[part]
    document[path[-1]] = text
