"""Reads the ranked lists behind a search from the engine: by meaning, by whole words, and by trigrams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.storage.deadline import in_daemon_thread
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import VectorQuery

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.storage.engines.vector_store import PointFilter, Scored, VectorStore
    from cloudops_nb.storage.estate.search.query_parser import ParsedQuery
    from cloudops_nb.storage.estate.search.ranking import ListWeights
    from cloudops_nb.storage.estate.terms import EstateTerms
    from cloudops_nb.storage.estate.vectors import EstateVectors


@dataclass(frozen=True, slots=True)
class RankedLists:
    """The ranked lists within one scope, a filter, of a search."""

    meaning: Sequence[Scored] = ()
    words: Sequence[Scored] = ()
    grams: Sequence[Scored] = ()

    def weighted(self, weights: ListWeights, scale: float) -> Iterator[tuple[float, Sequence[Scored]]]:
        """Yield each list with its weight."""
        yield scale * weights.meaning, self.meaning
        yield scale * weights.words, self.words
        yield scale * weights.grams, self.grams


class ListReader:
    """Asks the engine for ranked lists; safe to share between threads."""

    def __init__(self, store: VectorStore, terms: EstateTerms, vectors: EstateVectors) -> None:
        self._store = store
        self._terms = terms
        self._vectors = vectors

    def lexical(
        self, query: ParsedQuery, scopes: Sequence[PointFilter], length: int, exact: PointFilter | None, limit: int
    ) -> tuple[list[RankedLists], list[str]]:
        """Return each scope's lists by words and trigrams, and the ids that pass the exact filter, in one request.

        The first scope, within the query's filters, is searched only for the remaining words. In a wider scope, which
        matters less, one list combines all its words and trigrams.
        """
        grams = self._terms.grams(query.rest_text)
        asked = [(0, "words", self._terms.words(query.rest_words or query.content_words)), (0, "grams", grams)]
        asked += [(scope, "words", self._terms.words(query.content_words) + grams) for scope in range(1, len(scopes))]
        asked = [one for one in asked if one[2].indices]
        queries = [VectorQuery(vector, length, scopes[scope]) for scope, _, vector in asked]
        exact_queries = [VectorQuery(None, limit, exact)] if exact else []
        answers = self._store.query(AWS_ESTATE.name, [*exact_queries, *queries])
        exact_ids = [hit.id for hits in answers[: len(exact_queries)] for hit in hits]
        found: list[dict[str, Sequence[Scored]]] = [{} for _ in scopes]
        for (scope, kind, _), hits in zip(asked, answers[len(exact_queries) :], strict=True):
            found[scope][kind] = hits
        return [RankedLists(**kinds) for kinds in found], exact_ids

    def meaning(self, query: ParsedQuery) -> QueryMeaning | None:
        """Start to embed a query; ``None`` if its meaning does not matter."""
        return None if query.identifying else QueryMeaning(self._store, self._vectors, query.meant_text)


class QueryMeaning:
    """The embedding of one query, computed in a thread: the runtime needs milliseconds, and releases the GIL."""

    def __init__(self, store: VectorStore, vectors: EstateVectors, text: str) -> None:
        self._store = store
        self._vector = in_daemon_thread(lambda: vectors.of([text])[0], "embed-query")

    def nearest(self, where: PointFilter, length: int) -> Sequence[Scored]:
        """Return the list by meaning of the rows that pass a filter."""
        return self._store.query(AWS_ESTATE.name, [VectorQuery(self._vector.result(), length, where)])[0]
