from __future__ import annotations

import pytest

from tests.crash.driver import Driver
from tests.crash.model import Found, Model, faults, settled
from tests.storage.conftest import ended_owners

BEFORE = Model({"i-1": 1, "i-2": 1}, {"one": ["hello"]}, ["first"], {"s": {"i-1": 9}})
UPSERT = {"kind": "upsert", "resources": {"i-1": 2, "i-3": 2}}


def found(estate=None, chat=None, journal=None) -> Found:
    return Found(
        BEFORE.estate if estate is None else estate,
        BEFORE.chat if chat is None else chat,
        BEFORE.journal if journal is None else journal,
    )


def test_what_was_acknowledged_is_there_after_kills_at_random_moments(tmp_path) -> None:
    with ended_owners(tmp_path):
        outcome = Driver(tmp_path, seed=7).run(kills=8)
    assert outcome.faults == []
    assert outcome.kills.total() == 8
    assert outcome.acknowledged.total() > 8


@pytest.mark.fast
@pytest.mark.parametrize(
    ("pending", "seen"),
    [
        (None, found()),
        (UPSERT, found({"i-1": 1, "i-2": 1})),
        (UPSERT, found({"i-1": 2, "i-2": 1})),
        (UPSERT, found({"i-1": 2, "i-2": 1, "i-3": 2})),
        ({"kind": "say", "conversation": "two", "text": "hi"}, found(chat={"one": ["hello"], "two": ["hi"]})),
        ({"kind": "restore", "what": "aws_estate", "name": "s"}, found({"i-1": 9})),
        ({"kind": "rekey"}, found()),
    ],
)
def test_what_may_be_there_is_no_fault(pending, seen: Found) -> None:
    assert faults(BEFORE, pending, seen) == []
    assert settled(BEFORE, seen).estate == seen.estate


@pytest.mark.fast
@pytest.mark.parametrize(
    ("pending", "seen"),
    [
        (None, found({"i-1": 1})),
        (None, found({"i-1": 1, "i-2": 2})),
        (None, found({"i-1": 1, "i-2": 1, "i-3": 1})),
        (None, found(chat={})),
        (None, found(chat={"one": ["hello", "hello"]})),
        (None, found(journal=[])),
        (UPSERT, found({"i-1": 3, "i-2": 1})),
        (UPSERT, found({"i-1": 2, "i-3": 2})),
        ({"kind": "restore", "what": "aws_estate", "name": "s"}, found({"i-1": 9, "i-2": 1})),
        ({"kind": "rekey"}, found(journal=[])),
    ],
)
def test_what_was_lost_doubled_or_mixed_is_a_fault(pending, seen: Found) -> None:
    assert faults(BEFORE, pending, seen)
