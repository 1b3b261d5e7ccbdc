"""The published vocabulary is public by its form, and an environment class rests on exact words."""

from __future__ import annotations

import re

import pytest

from cloudops_nb.protocol import SLOT
from cloudops_nb.understanding.environment import environment_class
from cloudops_nb.understanding.vocabulary import vocabulary

pytestmark = pytest.mark.fast


def test_every_word_is_a_plain_lower_case_word_and_no_slot():
    for word in vocabulary().words:
        assert re.fullmatch(r"[a-z][a-z0-9-]*", word), word
        assert not SLOT.fullmatch(word)


def test_no_word_stands_for_two_concepts_of_one_group():
    words = vocabulary()
    assert not set(words.intents) & set(words.environments)
    assert not set(words.resource_types) & set(words.engines)


@pytest.mark.parametrize(
    ("tags", "account", "expected"),
    [
        ({"Environment": "prod"}, "", "production"),
        ({"env": " Staging "}, "", "staging"),
        ({}, "development", "development"),
        ({"Environment": "staging"}, "production", "production"),
        ({"Environment": "production-like"}, "", "unknown"),
        ({"Name": "production"}, "acme-production", "unknown"),
        ({}, "", "unknown"),
        ({"Environment": "dev", "env": "prod"}, "", "production"),
        ({"Environment": "prod", "environment": "dev"}, "", "production"),
        ({"environment": "dev", "Environment": "prod"}, "", "production"),
    ],
)
def test_the_environment_of_a_resource(tags, account, expected):
    assert environment_class(tags, account) == expected
