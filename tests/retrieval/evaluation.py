"""Scores a way of searching against the labelled queries of ``queries.yaml``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cloudops_nb.model import Resource

KINDS = ("exact", "fragment", "typo", "concept", "tag", "place")
#: How deep a person looks, and how deep the reciprocal rank does.
SHORT, DEEP = 5, 10


@dataclass(frozen=True)
class Question:
    """A labelled query; relevant is what fits any of ``want``, and nothing where that is empty."""

    estate: str
    kind: str
    held_out: bool
    query: str
    want: Sequence[Mapping[str, Any]]

    def relevant(self, estate: Iterable[Resource]) -> set[str]:
        """Return the canonical keys of what a person would want."""
        conditions = [[(field, _pattern(values)) for field, values in _flat(wanted)] for wanted in self.want]
        return {
            each.canonical_key
            for each in estate
            if any(all(pattern.fullmatch(_value(each, field)) for field, pattern in one) for one in conditions)
        }


@dataclass(frozen=True)
class Score:
    """How one query went.

    ``recall_1`` and ``recall_5`` are the relevant ones among the first 1 or 5 hits, divided by how many there can be:
    the smaller of that depth and the number of relevant resources. ``reciprocal_rank`` is 1 over the place of the first
    relevant hit, 0 beyond the tenth. Where nothing is relevant, all are 1 if nothing was found, else 0; ``lacking`` is
    a query that wants what the estate does not have.
    """

    question: Question
    recall_1: float
    recall_5: float
    reciprocal_rank: float
    lacking: bool = False


def questions(estate: str) -> list[Question]:
    """Read the queries of one estate."""
    declared = _declared()["estates"][estate]
    return [
        Question(estate, kind, part == "held_out", entry["query"], _alternatives(entry["want"]))
        for kind, parts in declared.items()
        for part, entries in parts.items()
        for entry in entries
    ]


def evaluate(
    search: Callable[[str, int], Sequence[Resource]], asked: Iterable[Question], estate: Sequence[Resource]
) -> Iterator[Score]:
    """Ask every question and score its answer.

    Args:
        search: Takes a query and a limit, returns resources, best first.
        asked: The questions.
        estate: Everything there is to find.
    """
    for question in asked:
        relevant = question.relevant(estate)
        found = [resource.canonical_key for resource in search(question.query, DEEP)]
        yield Score(
            question,
            _recall(found[:1], relevant, 1),
            _recall(found[:SHORT], relevant, SHORT),
            _reciprocal_rank(found, relevant),
            lacking=bool(question.want) and not relevant,
        )


def by_kind(scores: Iterable[Score]) -> dict[str, tuple[float, float, float]]:
    """Return the mean recall at 1, recall at 5 and reciprocal rank of each kind."""
    grouped: defaultdict[str, list[Score]] = defaultdict(list)
    for score in scores:
        grouped[score.question.kind].append(score)
    return {
        kind: tuple(
            sum(values) / len(values)
            for values in zip(
                *((one.recall_1, one.recall_5, one.reciprocal_rank) for one in grouped[kind]), strict=True
            )
        )
        for kind in KINDS
        if kind in grouped
    }


@cache
def _declared() -> Mapping[str, Any]:
    return yaml.safe_load(Path(__file__).with_name("queries.yaml").read_text("utf-8"))


def _alternatives(want: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return [want] if isinstance(want, Mapping) else want


def _flat(wanted: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field, values in wanted.items():
        if field in ("tags", "facts"):
            yield from ((f"{field}.{key}", value) for key, value in values.items())
        elif field == "environment":
            yield "account", _declared()["environments"][values]
        else:
            yield field, values


def _value(resource: Resource, field: str) -> str:
    match field.partition("."):
        case ("type", _, _):
            return resource.resource_type
        case ("id", _, _):
            return resource.identifier
        case ("account", _, _):
            return resource.account_name
        case ("tags" | "facts" as group, _, key):
            return str((resource.tags if group == "tags" else resource.constraints.facts).get(key, ""))
        case ("name" | "region" | "state", _, _):
            return str(getattr(resource, field))
        case _:
            return str(resource.metadata.get(field, ""))


def _pattern(wanted: str | Sequence[str]) -> re.Pattern[str]:
    globs = [wanted] if isinstance(wanted, str) else wanted
    return re.compile("|".join(map(translate, globs)), re.IGNORECASE)


def _recall(found: Sequence[str], relevant: set[str], depth: int) -> float:
    if not relevant:
        return float(not found)
    return len(relevant.intersection(found)) / min(depth, len(relevant))


def _reciprocal_rank(found: Sequence[str], relevant: set[str]) -> float:
    if not relevant:
        return float(not found)
    return next((1 / place for place, key in enumerate(found, start=1) if key in relevant), 0.0)
