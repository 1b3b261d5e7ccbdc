"""The declared words know everything that the scanner reads, and nothing else; and they hide nothing."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import pytest
import yaml

from cloudops_nb.specs.files import bundled_specs
from cloudops_nb.storage.estate.lexicon import lexicon, phrase, words_of_type
from cloudops_nb.storage.estate.search.query_parser import parse_query
from tests.retrieval.estates import EmptyEstate

pytestmark = pytest.mark.fast

#: Software that people also run on servers of their own, and words that names of other things often hold.
OF_NAMES = (
    "airflow", "api", "audit trail", "backup", "broker", "cloudtrail", "dashboard", "elasticsearch", "endpoint",
    "event", "gateway", "grafana", "graphql", "health check", "job", "kafka", "listener", "logs",
    "message broker", "model", "nat", "opensearch", "pipeline", "policy", "prometheus", "rabbitmq",
    "reservation", "rule", "schedule", "service", "spark", "stream", "subscription", "trail", "vault", "vpn",
    "workflow",
)  # fmt: skip


@cache
def declared() -> dict[str, Any]:
    text = (files("cloudops_nb.storage.estate") / "search_words.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return found


def spoken_words() -> list[tuple[str, str]]:
    """Return every type with each of its words."""
    return [(kind, spoken) for kind, entry in sorted(declared()["types"].items()) for spoken in entry["words"]]


def read(text: str):
    return parse_query(text, EmptyEstate())


def test_every_declared_type_is_scanned() -> None:
    unknown = declared()["types"].keys() - {spec.resource_type for spec in bundled_specs()}

    assert not unknown, f"search_words.yaml: remove from types, or correct: {', '.join(sorted(unknown))}"


def test_a_declared_type_has_a_noun_and_words() -> None:
    entries = declared()["types"]
    short = [kind for kind, entry in entries.items() if len(entry["noun"].split()) not in range(2, 10)]
    wordless = [kind for kind, entry in entries.items() if not entry["words"]]

    assert not short, f"search_words.yaml: give a noun of two to nine words to: {', '.join(short)}"
    assert not wordless, f"search_words.yaml: give words to, or remove from types: {', '.join(wordless)}"


def test_the_words_of_a_name_never_mean_another_type() -> None:
    undeclared = [spec.resource_type for spec in bundled_specs() if spec.resource_type not in declared()["types"]]
    taken = {
        kind: sorted(lexicon().types[words_of_type(kind)])
        for kind in undeclared
        if words_of_type(kind) in lexicon().types
    }

    assert not taken, f"search_words.yaml: add words under types for these, whose names mean others: {taken}"


def test_a_type_is_found_by_its_words() -> None:
    unread = {}
    for resource_type, spoken in spoken_words():
        query = read(spoken)
        found = query.slots.get("type", ())
        right = set(query.slots) == {"type"} and found == lexicon().types[phrase(spoken)] and not query.rest
        if not right or resource_type not in found:
            unread[resource_type, spoken] = query

    assert not unread


def test_nouns_tell_types_apart() -> None:
    nouns = [entry["noun"] for entry in declared()["types"].values()]

    assert len(set(nouns)) == len(nouns)


def test_a_name_made_of_a_types_words_stays_a_name() -> None:
    names = {"-".join((*spoken.split(), "01")) for _, spoken in spoken_words()}
    queries = {name: read(name) for name in names}

    assert not {name: query for name, query in queries.items() if query.slots or query.rest != (name,)}


def test_a_word_in_names_of_other_things_is_no_filter() -> None:
    queries = {word: read(word) for word in OF_NAMES}

    assert not {word: query for word, query in queries.items() if {"type", "engine"} & query.slots.keys()}
    assert {word: query.rest for word, query in queries.items()} == {word: tuple(word.split()) for word in OF_NAMES}


def test_engines_are_of_scanned_types_that_tell_them() -> None:
    metadata = {spec.resource_type: spec.metadata.keys() for spec in bundled_specs()}
    types = {name: lexicon().engine_types[name] for name in lexicon().engine_nouns}

    assert {kind for kinds in types.values() for kind in kinds} <= metadata.keys()
    assert all(metadata[kind] & {"engine", "runtime", "platform"} for kinds in types.values() for kind in kinds)


def test_spoken_facts_and_metadata_are_of_the_specs() -> None:
    specs = bundled_specs()

    assert set(lexicon().spoken_facts) <= {name for spec in specs for name in spec.facts}
    assert set(lexicon().spoken_metadata) <= {name for spec in specs for name in spec.metadata}


def test_no_word_means_two_kinds_of_structure() -> None:
    words = lexicon()
    kinds = [words.types, words.engines, words.environments, words.states, words.regions]

    assert sum(map(len, kinds)) == len(set().union(*kinds))


def test_every_word_of_grammar_is_text() -> None:
    # YAML takes a bare "on" or "no" for a truth value.
    words = lexicon()
    grammar = (words.filler, words.openers, words.prepositions, words.conjunctions, words.weak)

    assert all(isinstance(word, str) for group in grammar for word in group)


def test_no_single_word_of_a_type_is_grammar() -> None:
    words = lexicon()
    grammar = words.filler | words.openers | words.prepositions | words.conjunctions | words.weak

    assert not grammar & words.types.keys()
