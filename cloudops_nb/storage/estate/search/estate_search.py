"""Search over the estate: words to blind filters and keyed vectors, ranked lists to hits that say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import PointFilter
from cloudops_nb.storage.estate.points import SEALED_FIELDS
from cloudops_nb.storage.estate.search import ranking
from cloudops_nb.storage.estate.search.estate_words import EstateWords
from cloudops_nb.storage.estate.search.evidence import judge
from cloudops_nb.storage.estate.search.query_parser import SLOTS, parse_query
from cloudops_nb.storage.estate.search.ranked_lists import ListReader, RankedLists

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.engines.vector_store import AnyOf, VectorStore
    from cloudops_nb.storage.estate.estate_facets import EstateFacets
    from cloudops_nb.storage.estate.points import EstatePoints
    from cloudops_nb.storage.estate.search.evidence import Judgement
    from cloudops_nb.storage.estate.search.query_parser import ParsedQuery
    from cloudops_nb.storage.estate.search.ranked_lists import QueryMeaning
    from cloudops_nb.storage.estate.terms import EstateTerms
    from cloudops_nb.storage.estate.vectors import EstateVectors

#: Slots that are taken at their word: nobody who names a region means another one.
_STRICT = ("region", "account")
_SHOWN_REASONS = 4


@dataclass(frozen=True, slots=True)
class FoundResource:
    """A resource that a search found, its score and why."""

    resource: Resource
    score: float
    why: str


class EstateSearch:
    """Finds resources; safe to share between threads.

    An exact id, name or ARN comes first. Words that name structure narrow the search, to a plain filter when there are
    no others. What is left is looked for by its letters if it looks like a name, else by its words and its meaning,
    fused by rank. Only the best few rows are read and opened. While a thread embeds the query, the others are read.
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
        self._known = EstateWords(store, points, terms, facets)
        self._lists = ListReader(store, terms, vectors)

    def read(self, text: str) -> ParsedQuery:
        """Return how a query is understood, as one of the estate as it is now."""
        return parse_query(text, self._known.now())

    def search(self, text: str, limit: int, where: PointFilter) -> list[FoundResource]:
        """Return what was found, best first, among the rows that pass the filter.

        Args:
            text: The query.
            limit: The highest number of hits.
            where: The rows to search in.
        """
        query = self.read(text)
        if not query.tokens or limit < 1:
            return []
        outside = where & self._within(query, _STRICT)
        inside = where & self._within(query, SLOTS)
        if not query.rest and inside != outside and (found := self._filtered(query, limit, inside, outside)):
            return found
        return self._ranked(query, limit, inside if query.rest else outside, outside)

    def _filtered(
        self, query: ParsedQuery, limit: int, inside: PointFilter, outside: PointFilter
    ) -> list[FoundResource]:
        """Answer a query of nothing but structure: what fits it, first what also bears its words.

        A word of structure may be somebody's name for something else, as "database" of a firewall: that comes first.
        """
        exactly = self._exactly(query, outside)
        lists, exact = self._lists.lexical(query, [inside], max(ranking.LIST_LENGTH, limit), exactly, limit)
        scores = ranking.fuse(lists[0].weighted(ranking.FOR_WORDS, 1.0))
        judged = self._judged(query, [*scores][: max(ranking.LOOKED_AT, limit)])
        if len(judged) < limit:
            ids = [row.id for row in self._store.rows(AWS_ESTATE.name, inside, (), limit + len(judged))]
            judged |= self._judged(query, [point_id for point_id in ids if point_id not in judged])
        if judged:
            judged |= self._judged(query, [point_id for point_id in exact if point_id not in judged])
        return _best(judged, limit, scores={}, meant=())

    def _ranked(self, query: ParsedQuery, limit: int, inside: PointFilter, outside: PointFilter) -> list[FoundResource]:
        """Answer a query that says something beside structure, or whose structure fits nothing."""
        looked_at = ranking.LOOKED_AT_FOR_IDENTIFIERS if query.identifying else ranking.LOOKED_AT
        length, depth = max(ranking.LIST_LENGTH, limit), max(looked_at, limit)
        meaning = self._lists.meaning(query)
        scopes = [inside, outside] if inside != outside else [inside]
        lists, exact = self._lists.lexical(query, scopes, length, self._exactly(query, outside), limit)
        scores = _fused(query, lists)
        early = list(dict.fromkeys([*exact, *scores]))
        judged = self._judged(query, early[: max(ranking.LOOKED_AT_EARLY, limit) if meaning else depth])
        # What bears every word of the query comes before anything that is only similar to it.
        if meaning and sum(one.complete for one in judged.values()) < min(limit, ranking.ENOUGH):
            lists = self._with_meaning(meaning, scopes, lists, length)
            scores = _fused(query, lists)
            chosen = list(dict.fromkeys([*exact, *scores]))[:depth]
            judged |= self._judged(query, [point_id for point_id in chosen if point_id not in judged])
        nearest = next((one.meaning for one in lists if one.meaning), ())
        return _best(judged, limit, scores=scores, meant={hit.id for hit in nearest[: ranking.MEANT]})

    def _exactly(self, query: ParsedQuery, where: PointFilter) -> PointFilter | None:
        """Return the filter for what has the query as its id, name or ARN; names in a sentence the lists find."""
        if not query.identifying and len(query.tokens) > 1:
            return None
        return where & self._points.exactly(*sorted(query.names))

    def _with_meaning(
        self, meaning: QueryMeaning, scopes: Sequence[PointFilter], lists: Sequence[RankedLists], length: int
    ) -> list[RankedLists]:
        """Add the list by meaning to the narrowest scope that holds anything."""
        found = list(lists)
        for place, scope in enumerate(scopes):
            if hits := meaning.nearest(scope, length):
                found[place] = RankedLists(hits, found[place].words, found[place].grams)
                break
        return found

    def _judged(self, query: ParsedQuery, ids: Sequence[str]) -> dict[str, Judgement]:
        rows = self._store.retrieve(AWS_ESTATE.name, ids, SEALED_FIELDS) if ids else []
        resources = [self._points.resource(row) for row in rows]
        return {row.id: judge(resource, query) for row, resource in zip(rows, resources, strict=True)}

    def _within(self, query: ParsedQuery, slots: Iterable[str]) -> PointFilter:
        """Return the filter for some of the query's slots."""
        conditions: list[AnyOf] = []
        for slot in slots:
            values = sorted(query.slots.get(slot, ()))
            # Each tag is asked for by itself; of the other kinds a resource has one value.
            groups = [[value] for value in values] if slot == "tag" else [values] if values else []
            conditions += [self._condition(slot, group) for group in groups]
        return PointFilter(conditions)

    def _condition(self, slot: str, values: Sequence[str]) -> AnyOf:
        match slot:
            case "account":
                return self._points.in_accounts(values)
            case "type":
                return self._points.one_of("resource_type", values)
            case "tag":
                return self._points.one_of("tags", values)
            case "engine" | "environment":
                return self._points.one_of("traits", [f"{slot}={value}" for value in values])
            case _:
                return self._points.one_of(slot, values)


def _fused(query: ParsedQuery, lists: Sequence[RankedLists]) -> dict[str, float]:
    """Fuse the lists of every scope, each with its weight; what lies outside the query's structure counts less."""
    if query.identifying:
        weights = ranking.FOR_IDENTIFIERS
    else:
        known = any(one.words for one in lists) or not query.rest
        weights = ranking.FOR_WORDS if known else ranking.FOR_UNKNOWN_WORDS
    scales = (1.0, ranking.OUTSIDE)
    return ranking.fuse(
        pair for scale, one in zip(scales, lists, strict=False) for pair in one.weighted(weights, scale)
    )


def _best(
    judged: Mapping[str, Judgement], limit: int, *, scores: Mapping[str, float], meant: Collection[str]
) -> list[FoundResource]:
    found = [_found(one, scores.get(point_id, 0.0), meant=point_id in meant) for point_id, one in judged.items()]
    return sorted(found, key=lambda hit: (-hit.score, hit.resource.name, hit.resource.canonical_key))[:limit]


def _found(judged: Judgement, rank_score: float, *, meant: bool) -> FoundResource:
    reasons = list(judged.reasons[:_SHOWN_REASONS])
    if meant or not reasons:
        reasons.append("similar meaning" if meant else "some of the same letters or words")
    return FoundResource(judged.resource, rank_score + judged.gain, "; ".join(reasons))
