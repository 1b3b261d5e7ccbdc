"""``EstateSearch``: turns a query into blind filters and keyed vectors, and ranked lists into hits with reasons."""

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

#: Slots that every hit must match: a query that names a region never means another one.
_STRICT_SLOTS = ("region", "account")
_SHOWN_REASONS = 4


@dataclass(frozen=True, slots=True)
class FoundResource:
    """A resource that a search found, with its score and the reasons."""

    resource: Resource
    score: float
    why: str


class EstateSearch:
    """Finds resources; safe to share between threads.

    An exact id, name or ARN comes first. Words that name slots narrow the search; a query of only such words is a plain
    filter. The remaining words are searched by their letters if they look like a name, otherwise by words and by
    meaning, fused by rank. Only the best few rows are fetched and decrypted. While a thread embeds the query, the hits
    by words are read and judged.
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
        """Parse a query with the present estate's accounts, tags and words."""
        return parse_query(text, self._known.now())

    def search(self, text: str, limit: int, where: PointFilter) -> list[FoundResource]:
        """Return the hits among the rows that pass the filter, best first.

        Args:
            text: The query.
            limit: The highest number of hits.
            where: The filter of the rows to search.
        """
        query = self.read(text)
        if not query.tokens or limit < 1:
            return []
        outside = where & self._slot_filter(query, _STRICT_SLOTS)
        inside = where & self._slot_filter(query, SLOTS)
        if not query.rest and inside != outside and (found := self._filtered(query, limit, inside, outside)):
            return found
        return self._ranked(query, limit, inside if query.rest else outside, outside)

    def _filtered(
        self, query: ParsedQuery, limit: int, inside: PointFilter, outside: PointFilter
    ) -> list[FoundResource]:
        """Answer a query that only names slots: the resources that match them, first those whose names have its words.

        A resource outside the slots whose whole name is the query comes first, as a firewall with the name "database".
        """
        exactly = self._exact_filter(query, outside)
        lists, exact = self._lists.lexical(query, [inside], max(ranking.LIST_LENGTH, limit), exactly, limit)
        scores = ranking.fuse(lists[0].weighted(ranking.FOR_WORDS, 1.0))
        judged = self._judge_rows(query, [*scores][: max(ranking.LOOKED_AT, limit)])
        if len(judged) < limit:
            ids = [row.id for row in self._store.rows(AWS_ESTATE.name, inside, (), limit + len(judged))]
            judged |= self._judge_rows(query, [point_id for point_id in ids if point_id not in judged])
        if judged:
            judged |= self._judge_rows(query, [point_id for point_id in exact if point_id not in judged])
        return _best_hits(judged, limit, scores={}, meant=())

    def _ranked(self, query: ParsedQuery, limit: int, inside: PointFilter, outside: PointFilter) -> list[FoundResource]:
        """Answer a query with remaining words, or one whose slots match no resource."""
        looked_at = ranking.LOOKED_AT_FOR_IDENTIFIERS if query.identifying else ranking.LOOKED_AT
        length, depth = max(ranking.LIST_LENGTH, limit), max(looked_at, limit)
        meaning = self._lists.meaning(query)
        scopes = [inside, outside] if inside != outside else [inside]
        lists, exact = self._lists.lexical(query, scopes, length, self._exact_filter(query, outside), limit)
        scores = _fused_scores(query, lists)
        early = list(dict.fromkeys([*exact, *scores]))
        judged = self._judge_rows(query, early[: max(ranking.LOOKED_AT_EARLY, limit) if meaning else depth])
        # Hits with every word of the query rank above hits of similar meaning, so enough of them make the answer.
        if meaning and sum(one.complete for one in judged.values()) < min(limit, ranking.ENOUGH):
            lists = self._with_meaning(meaning, scopes, lists, length)
            scores = _fused_scores(query, lists)
            chosen = list(dict.fromkeys([*exact, *scores]))[:depth]
            judged |= self._judge_rows(query, [point_id for point_id in chosen if point_id not in judged])
        nearest = next((one.meaning for one in lists if one.meaning), ())
        return _best_hits(judged, limit, scores=scores, meant={hit.id for hit in nearest[: ranking.MEANT]})

    def _exact_filter(self, query: ParsedQuery, where: PointFilter) -> PointFilter | None:
        """Return the filter for an id, name or ARN that equals the query; ``None`` for a sentence."""
        if not query.identifying and len(query.tokens) > 1:
            return None
        return where & self._points.exactly(*sorted(query.names))

    def _with_meaning(
        self, meaning: QueryMeaning, scopes: Sequence[PointFilter], lists: Sequence[RankedLists], length: int
    ) -> list[RankedLists]:
        """Add the list by meaning to the narrowest scope with any hit."""
        found = list(lists)
        for position, scope in enumerate(scopes):
            if hits := meaning.nearest(scope, length):
                found[position] = RankedLists(hits, found[position].words, found[position].grams)
                break
        return found

    def _judge_rows(self, query: ParsedQuery, ids: Sequence[str]) -> dict[str, Judgement]:
        rows = self._store.retrieve(AWS_ESTATE.name, ids, SEALED_FIELDS) if ids else []
        resources = [self._points.resource(row) for row in rows]
        return {row.id: judge(resource, query) for row, resource in zip(rows, resources, strict=True)}

    def _slot_filter(self, query: ParsedQuery, slots: Iterable[str]) -> PointFilter:
        """Return the filter for some of the query's slots."""
        conditions: list[AnyOf] = []
        for slot in slots:
            values = sorted(query.slots.get(slot, ()))
            # A hit must have every tag of the query. Other slots have one value per resource, so any of theirs matches.
            groups = [[value] for value in values] if slot == "tag" else [values] if values else []
            conditions += [self._slot_condition(slot, group) for group in groups]
        return PointFilter(conditions)

    def _slot_condition(self, slot: str, values: Sequence[str]) -> AnyOf:
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


def _fused_scores(query: ParsedQuery, lists: Sequence[RankedLists]) -> dict[str, float]:
    """Fuse the weighted lists of every scope; hits outside the query's filters count less."""
    if query.identifying:
        weights = ranking.FOR_IDENTIFIERS
    else:
        known = any(one.words for one in lists) or not query.rest
        weights = ranking.FOR_WORDS if known else ranking.FOR_UNKNOWN_WORDS
    scales = (1.0, ranking.OUTSIDE)
    return ranking.fuse(
        pair for scale, one in zip(scales, lists, strict=False) for pair in one.weighted(weights, scale)
    )


def _best_hits(
    judged: Mapping[str, Judgement], limit: int, *, scores: Mapping[str, float], meant: Collection[str]
) -> list[FoundResource]:
    found = [_hit(one, scores.get(point_id, 0.0), meant=point_id in meant) for point_id, one in judged.items()]
    return sorted(found, key=lambda hit: (-hit.score, hit.resource.name, hit.resource.canonical_key))[:limit]


def _hit(judged: Judgement, rank_score: float, *, meant: bool) -> FoundResource:
    reasons = list(judged.reasons[:_SHOWN_REASONS])
    if meant or not reasons:
        reasons.append("similar meaning" if meant else "some of the same letters or words")
    return FoundResource(judged.resource, rank_score + judged.gain, "; ".join(reasons))
