"""``EstateSearch``: turns a query into filters and vectors for Qdrant, and the rows from Qdrant into ranked hits.

A slot is a property that words of the query name, such as the type or the region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.storage.encryption.sealed_data import readable
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

#: Slots that every hit must match: a query that names a region or account never means a different region or account.
_STRICT_SLOTS = ("region", "account")
_SHOWN_REASONS = 4


@dataclass(frozen=True, slots=True)
class FoundResource:
    """A resource that a search found, its score, and the reasons for the hit in one text."""

    resource: Resource
    score: float
    why: str


class EstateSearch:
    """Finds resources; safe to share between threads.

    A resource whose id, name or ARN is the query comes first. Words that name slots narrow the search; if a query has
    only such words, its slots are used as a filter. Qdrant ranks the hits for the remaining words by whole words, by
    trigrams and, unless they look like a name, by meaning; these ranked lists are combined into one. Only the best few
    rows are fetched and decrypted. While one thread embeds the query, another reads and judges the hits by words.
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
        self._estate_words = EstateWords(store, points, terms, facets)
        self._lists = ListReader(store, terms, vectors)

    def read(self, text: str) -> ParsedQuery:
        """Parse a query with the accounts, tags and words that the estate has now."""
        return parse_query(text, self._estate_words.now())

    def search(self, text: str, limit: int, where: PointFilter) -> list[FoundResource]:
        """Return the hits among the rows that pass the filter, best first.

        Args:
            text: The query.
            limit: The largest number of hits.
            where: The filter that all hits pass.
        """
        query = self.read(text)
        if not query.tokens or limit < 1:
            return []
        wide = where & self._slot_filter(query, _STRICT_SLOTS)
        narrow = where & self._slot_filter(query, SLOTS)
        if not query.rest and narrow != wide and (found := self._filtered(query, limit, narrow, wide)):
            return found
        return self._ranked(query, limit, narrow if query.rest else wide, wide)

    def _filtered(self, query: ParsedQuery, limit: int, narrow: PointFilter, wide: PointFilter) -> list[FoundResource]:
        """Return the resources that match every slot of the query, for a query whose words all name slots.

        Resources whose names contain words of the query come first. A resource whose id, name or ARN is the query is
        also returned if it matches only the strict slots, such as a firewall with the name "database". The result is
        empty if no resource matches every slot.
        """
        exactly = self._exact_filter(query, wide)
        lists, exact = self._lists.lexical(query, [narrow], max(ranking.LIST_LENGTH, limit), exactly, limit)
        scores = ranking.fuse(lists[0].weighted(ranking.FOR_WORDS, 1.0))
        judged = self._judge_rows(query, [*scores][: max(ranking.LOOKED_AT, limit)])
        if len(judged) < limit:
            ids = [row.id for row in self._store.rows(AWS_ESTATE.name, narrow, (), limit + len(judged))]
            judged |= self._judge_rows(query, [point_id for point_id in ids if point_id not in judged])
        if judged:
            judged |= self._judge_rows(query, [point_id for point_id in exact if point_id not in judged])
        return _best_hits(judged, limit, scores={}, similar=())

    def _ranked(self, query: ParsedQuery, limit: int, narrow: PointFilter, wide: PointFilter) -> list[FoundResource]:
        """Answer a query with words that name no slot, with only strict slots, or with slots that no resource matches.

        The hits that pass only ``wide``, the filter by strict slots, get less weight. They are searched because a word
        may not mean the slot that it names.
        """
        looked_at = ranking.LOOKED_AT_FOR_IDENTIFIERS if query.identifying else ranking.LOOKED_AT
        length, depth = max(ranking.LIST_LENGTH, limit), max(looked_at, limit)
        meaning = self._lists.meaning(query)
        scopes = [narrow, wide] if narrow != wide else [narrow]
        lists, exact = self._lists.lexical(query, scopes, length, self._exact_filter(query, wide), limit)
        scores = _fused_scores(query, lists)
        early = list(dict.fromkeys([*exact, *scores]))
        judged = self._judge_rows(query, early[: max(ranking.LOOKED_AT_EARLY, limit) if meaning else depth])
        # Hits that match every word of the query rank above hits with a similar meaning. So if there are enough such
        # hits, no search by meaning is needed.
        if meaning and sum(judgement.complete for judgement in judged.values()) < min(limit, ranking.SUFFICIENT):
            lists = self._with_meaning(meaning, scopes, lists, length)
            scores = _fused_scores(query, lists)
            chosen = list(dict.fromkeys([*exact, *scores]))[:depth]
            judged |= self._judge_rows(query, [point_id for point_id in chosen if point_id not in judged])
        nearest = next((scope.meaning for scope in lists if scope.meaning), ())
        return _best_hits(judged, limit, scores=scores, similar={hit.id for hit in nearest[: ranking.SHOWN_AS_SIMILAR]})

    def _exact_filter(self, query: ParsedQuery, where: PointFilter) -> PointFilter | None:
        """Return the filter for an id, name or ARN in :attr:`ParsedQuery.names`; ``None`` for several plain words."""
        if not query.identifying and len(query.tokens) > 1:
            return None
        return where & self._points.exactly(*sorted(query.names))

    def _with_meaning(
        self, meaning: QueryMeaning, scopes: Sequence[PointFilter], lists: Sequence[RankedLists], length: int
    ) -> list[RankedLists]:
        """Search by meaning in the narrowest scope that has a hit, and add the hits to the lists of this scope."""
        found = list(lists)
        for position, scope in enumerate(scopes):
            if hits := meaning.nearest(scope, length):
                found[position] = RankedLists(hits, found[position].words, found[position].grams)
                break
        return found

    def _judge_rows(self, query: ParsedQuery, ids: Sequence[str]) -> dict[str, Judgement]:
        rows = self._store.retrieve(AWS_ESTATE.name, ids, SEALED_FIELDS) if ids else []
        return dict(readable(rows, lambda row: (row.id, judge(self._points.resource(row), query))))

    def _slot_filter(self, query: ParsedQuery, slots: Iterable[str]) -> PointFilter:
        """Return the filter for those slots of the query that ``slots`` names."""
        conditions: list[AnyOf] = []
        for slot in slots:
            values = sorted(query.slots.get(slot, ()))
            # A hit must have every tag of the query. For any other slot it must have one of the query's values.
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
    """Fuse the lists of the narrow scope and, with less weight, of the wide scope if there is one."""
    if query.identifying:
        weights = ranking.FOR_IDENTIFIERS
    else:
        known = any(scope.words for scope in lists) or not query.rest
        weights = ranking.FOR_WORDS if known else ranking.FOR_UNKNOWN_WORDS
    scales = (1.0, ranking.WIDER_SCOPE)
    return ranking.fuse(
        pair for scale, scope in zip(scales, lists, strict=False) for pair in scope.weighted(weights, scale)
    )


def _best_hits(
    judged: Mapping[str, Judgement], limit: int, *, scores: Mapping[str, float], similar: Collection[str]
) -> list[FoundResource]:
    found = [_hit(each, scores.get(point_id, 0.0), similar=point_id in similar) for point_id, each in judged.items()]
    return sorted(found, key=lambda hit: (-hit.score, hit.resource.name, hit.resource.canonical_key))[:limit]


def _hit(judged: Judgement, rank_score: float, *, similar: bool) -> FoundResource:
    reasons = list(judged.reasons[:_SHOWN_REASONS])
    if similar or not reasons:
        reasons.append("similar meaning" if similar else "some of the same letters or words")
    return FoundResource(judged.resource, rank_score + judged.gain, "; ".join(reasons))
