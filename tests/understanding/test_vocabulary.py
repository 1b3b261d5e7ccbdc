"""The published vocabulary is public by its form, and an environment class rests on exact words."""

from __future__ import annotations

import re

import pytest

from cloudops_nb.protocol import SLOT
from cloudops_nb.understanding.environment import environment_class, published_environment
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
    ("known", "expected"),
    [
        ({"tags": {"Environment": "prod"}}, "production"),
        ({"tags": {"env": " Staging "}}, "staging"),
        ({"label": "development"}, "development"),
        ({"account_name": "acme-prod"}, "production"),
        ({"account_name": "AcmeProd2"}, "production"),
        ({"name": "orders-staging-1"}, "staging"),
        ({"name": "orders", "account_name": "acme"}, "unknown"),
        ({}, "unknown"),
        # The most careful class wins, whatever gives it.
        ({"tags": {"Environment": "staging"}, "label": "production"}, "production"),
        ({"tags": {"Environment": "dev"}, "name": "prod-x"}, "production"),
        ({"name": "orders-staging", "account_name": "acme-prod-eu"}, "production"),
        ({"name": "dev-tools", "label": "staging"}, "staging"),
        ({"tags": {"Environment": "dev", "env": "prod"}}, "production"),
        ({"tags": {"Environment": "prod", "environment": "dev"}}, "production"),
        ({"tags": {"environment": "dev", "Environment": "prod"}}, "production"),
        ({"tags": {"Environment": "production-like"}}, "production"),
        # A tag with another key is no statement about the environment, and a part of a random id is no word.
        ({"tags": {"Name": "production"}}, "unknown"),
        ({"name": "bucket-x7prd2k"}, "unknown"),
        ({"name": "products", "account_name": "reproduction"}, "unknown"),
    ],
)
def test_the_environment_is_the_most_careful_one_that_anything_names(known, expected):
    assert environment_class(**known) == expected


@pytest.mark.parametrize(
    ("label", "tags", "expected"),
    [
        ("", {"Environment": "prod"}, "production"),
        ("staging", {}, "staging"),
        ("production", {"env": "staging"}, "production"),
        ("", {"Environment": "production-like"}, "unknown"),
        ("acme-prod", {"Name": "prod"}, "unknown"),
        ("", {}, "unknown"),
    ],
)
def test_only_whole_published_words_leave_the_host(label, tags, expected):
    assert published_environment(label, tags) == expected


@pytest.mark.parametrize(
    ("label", "tags", "read", "old"),
    [
        ("", {"env": "dev"}, "development", "unknown"),
        ("", {"env": "staging"}, "staging", "unknown"),
        ("", {"env": "prod"}, "production", "production"),
        ("staging", {"env": "dev"}, "staging", "staging"),
        ("dev", {"env": "staging"}, "staging", "staging"),
        ("dev", {"env": "prod"}, "production", "production"),
        ("", {}, "unknown", "unknown"),
    ],
)
def test_old_tags_make_the_class_more_careful_only(label, tags, read, old):
    for tags_are_old, expected in ((False, read), (True, old)):
        assert environment_class(label=label, tags=tags, tags_are_old=tags_are_old) == expected
        assert published_environment(label, tags, tags_are_old=tags_are_old) == expected
