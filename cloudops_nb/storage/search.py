"""Search over the estate: words to blind filters and keyed vectors, ranked lists to hits that say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.storage import search_ranking as ranking
from cloudops_nb.storage.estate_points import SEALED_FIELDS
from cloudops_nb.storage.schema import AWS_ESTATE
from cloudops_nb.storage.search_evidence import evidence_for
from cloudops_nb.storage.search_query import parse_query
from cloudops_nb.storage.vector_store import PointFilter, VectorQuery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.estate_facets import EstateFacets
    from cloudops_nb.storage.estate_points import EstatePoints
    from cloudops_nb.storage.estate_terms import EstateTerms
    from cloudops_nb.storage.estate_vectors import EstateVectors
    from cloudops_nb.storage.search_query import ParsedQuery
    from cloudops_nb.storage.vector_store import AnyOf, Either, Scored, Sparse, VectorStore

#: Slots that are taken at their word: nobody who names a region means another one.
_STRICT = frozenset({"region", "account"})
_SHOWN_REASONS = 4


@dataclass(frozen=True, slots=True)
class Found:
    """A resource that a search found, its score and why."""

    resource: Resource
    score: float
    why: str


@dataclass(frozen=True, slots=True)
class _Lists:
    """The ranked lists of one scope of a search."""

    meaning: Sequence[Scored] = ()
    words: Sequence[Scored] = ()
    grams: Sequence[Scored] = ()


class EstateSearch:
    """Finds resources; safe to share between threads, holds no state of its own.

    An exact id, name or ARN comes first. Words that name structure narrow the search, to a plain filter when there are
    no others. What is left is looked for by its letters if it looks like a name, else by its words and its meaning,
    fused by rank. Only the best few rows are read and opened.
    """

    def __init__(
        self,
        store: VectorStore,
        points: EstatePoints,
        terms: EstateTerms,
        vectors: EstateVectors,
        facets: EstateFacets,
    ) -> None:
        self._store = store
        self._points = points
        self._terms = terms
        self._vectors = vectors
        self._facets = facets

    def search(self, text: str, limit: int, where: PointFilter) -> list[Found]:
        """Return what was found, best first, among the rows that pass the filter.

        Args:
            text: The query.
            limit: The highest number of hits.
            where: The rows to search in.
        """
        query = parse_query(text, self._facets.values("account_name", "account_id"))
        if not query.tokens or limit < 1:
            return []
        outside = where & self._within(query, _STRICT)
        inner, outer = self._lists(query, where & self._within(query, frozenset(query.slots)), outside, limit)
        fused = ranking.fuse(_weighted(query, inner, outer))
        exact = [
            row.id for row in self._store.rows(AWS_ESTATE.name, where & self._points.exactly(*query.names), (), limit)
        ]
        looked_at = list(dict.fromkeys([*exact, *fused]))[: max(ranking.LOOKED_AT, limit)]
        meant = {hit.id for hit in (outer.meaning or inner.meaning)[: ranking.MEANT]}
        rows = self._store.retrieve(AWS_ESTATE.name, looked_at, SEALED_FIELDS)
        found = [
            _found(self._points.resource(row), query, fused.get(row.id, 0.0), meant=row.id in meant) for row in rows
        ]
        return sorted(found, key=lambda hit: (-hit.score, hit.resource.name, hit.resource.canonical_key))[:limit]

    def _lists(
        self, query: ParsedQuery, inside: PointFilter, outside: PointFilter, limit: int
    ) -> tuple[_Lists, _Lists]:
        """Run the query's lists within its structure and without.

        A query of nothing but structure stays within it, as long as that holds anything.
        """
        length = max(ranking.LIST_LENGTH, limit)
        if query.rest and inside != outside:
            inner, outer = self._ranked(query, [inside, outside], length)
            return inner, outer
        within = self._ranked(query, [inside], length)[0]
        if within.meaning or inside == outside:
            return within, _Lists()
        return _Lists(), self._ranked(query, [outside], length)[0]

    def _ranked(self, query: ParsedQuery, scopes: Sequence[PointFilter], length: int) -> list[_Lists]:
        """Run the lists that fit the query in each scope, all in one turn."""
        asked: dict[str, bytes | Sparse] = {}
        if query.rest:
            asked = {"words": self._terms.words(query.rest_words), "grams": self._terms.grams(query.rest_text)}
        if not query.identifying:
            asked["meaning"] = self._vectors.of([query.text])[0]
        queries = [VectorQuery(vector, length, scope) for scope in scopes for vector in asked.values()]
        answers = iter(self._store.query(AWS_ESTATE.name, queries))
        return [_Lists(**{kind: next(answers) for kind in asked}) for _ in scopes]

    def _within(self, query: ParsedQuery, slots: frozenset[str]) -> PointFilter:
        """Return the filter for some of the query's slots."""
        return PointFilter([self._condition(slot, sorted(query.slots[slot])) for slot in slots if slot in query.slots])

    def _condition(self, slot: str, values: Sequence[str]) -> AnyOf | Either:
        match slot:
            case "account":
                return self._points.in_accounts(values)
            case "type":
                return self._points.one_of("resource_type", values)
            case "engine" | "environment":
                return self._points.one_of("traits", [f"{slot}={value}" for value in values])
            case _:
                return self._points.one_of(slot, values)


def _weighted(query: ParsedQuery, inner: _Lists, outer: _Lists) -> list[tuple[float, Sequence[Scored]]]:
    """Give each list its weight."""
    if query.identifying:
        weights = ranking.FOR_IDENTIFIERS
    else:
        known = inner.words or outer.words or not query.rest
        weights = ranking.FOR_WORDS if known else ranking.FOR_UNKNOWN_WORDS
    return [
        (scale * getattr(weights, kind), getattr(lists, kind))
        for scale, lists in ((1.0, inner), (ranking.OUTSIDE, outer))
        for kind in ("meaning", "words", "grams")
    ]


def _found(resource: Resource, query: ParsedQuery, rank_score: float, *, meant: bool) -> Found:
    evidence = evidence_for(resource, query)
    reasons = [one.why for one in evidence[:_SHOWN_REASONS]]
    if meant or not reasons:
        reasons.append("similar meaning" if meant else "some of the same letters or words")
    return Found(resource, rank_score + sum(one.gain for one in evidence), "; ".join(reasons))
