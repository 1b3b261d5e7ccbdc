"""What a sequence of published words asks for."""

from __future__ import annotations

import pytest

from cloudops_nb.understanding.intent import classify

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("words", "action"),
    [
        ("stop r1", "stop"),
        ("please shut r1 down now", "stop"),
        ("turn off r1", "stop"),
        ("power r1 on", "start"),
        ("can you restart r1", "reboot"),
        ("take a snapshot of r1", "snapshot"),
        ("set a tag on r1", "tag"),
        ("which databases are stopped", "list"),
        ("how do i stop r1", "list"),
        ("update r1", "modify"),
        ("the database on r1", ""),
        ("r1", ""),
        ("", ""),
    ],
)
def test_the_action_asked_for(words, action):
    assert classify(words.split()).action == action


def test_reading_changes_nothing():
    assert not classify(["show", "r1"]).changes
    assert classify(["stop", "r1"]).changes
    assert not classify([]).changes


def test_every_action_that_is_mentioned_is_told():
    intent = classify(["stop", "and", "start", "r1"])
    assert (intent.action, list(intent.others)) == ("stop", ["start"])


def test_a_negation_anywhere_is_told():
    assert classify(["do", "not", "stop", "r1"]).negated
    assert classify(["stop", "all", "instances", "without", "r1"]).negated
    assert not classify(["stop", "r1", "now"]).negated
