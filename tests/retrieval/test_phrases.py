"""Everyday phrases are read as the kinds of resource that they mean, and as no other filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudops_nb.specs.files import bundled_specs
from cloudops_nb.storage.estate.lexicon import lexicon
from cloudops_nb.storage.estate.search.query_parser import SLOTS, parse_query
from tests.retrieval.estates import EmptyEstate

pytestmark = pytest.mark.fast

DECLARED = yaml.load(Path(__file__).with_name("phrases.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)


def reading(text: str) -> dict[str, Any]:
    query = parse_query(text, EmptyEstate())
    return {slot: set(values) for slot, values in query.slots.items()} | {"rest": query.rest_text}


def several(value: str | list[str]) -> set[str]:
    return {value} if isinstance(value, str) else set(value)


def test_a_phrase_for_a_kind_is_read_as_that_kind_alone() -> None:
    expected = {phrase: {"type": several(kinds), "rest": ""} for phrase, kinds in DECLARED["types"].items()}
    misread = {phrase: found for phrase in expected if (found := reading(phrase)) != expected[phrase]}

    assert not misread


@pytest.mark.parametrize("question", DECLARED["questions"], ids=lambda question: question["query"])
def test_a_question_is_read_as_its_filters_and_the_words_to_look_for(question: dict[str, Any]) -> None:
    filters = {slot: several(question[slot]) for slot in SLOTS if slot in question}

    assert reading(question["query"]) == {**filters, "rest": question.get("rest", "")}


def test_every_type_with_words_of_its_own_has_a_phrase() -> None:
    spoken = {kind for kinds in DECLARED["types"].values() for kind in several(kinds)}
    silent = sorted(lexicon().type_nouns.keys() - spoken)
    unknown = sorted(spoken - {spec.resource_type for spec in bundled_specs()})

    assert not silent, f"phrases.yaml: add a phrase under types for {', '.join(silent)}"
    assert not unknown, f"phrases.yaml: remove from types, or correct: {', '.join(unknown)}"
