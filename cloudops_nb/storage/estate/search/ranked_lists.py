"""Gets ranked lists of hits from Qdrant: by meaning, by whole words, and by trigrams (three characters of a word)."""

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
    """The ranked lists of hits in one scope; a scope is a filter within which Qdrant searches."""

    meaning: Sequence[Scored] = ()
    words: Sequence[Scored] = ()
    grams: Sequence[Scored] = ()

    def weighted(self, weights: ListWeights, scale: float) -> Iterator[tuple[float, Sequence[Scored]]]:
        """Yield each list with its weight; ``scale`` multiplies all weights of the scope."""
        yield scale * weights.meaning, self.meaning
        yield scale * weights.words, self.words
        yield scale * weights.grams, self.grams


class ListReader:
    """Asks Qdrant for ranked lists; safe to share between threads."""

    def __init__(self, store: VectorStore, terms: EstateTerms, vectors: EstateVectors) -> None:
        self._store = store
        self._terms = terms
        self._vectors = vectors

    def lexical(
        self, query: ParsedQuery, scopes: Sequence[PointFilter], length: int, exact: PointFilter | None, limit: int
    ) -> tuple[list[RankedLists], list[str]]:
        """Read the lists by words and by trigrams for all scopes, in one request to Qdrant.

        In the first scope, one list is for the words that name no slot, or for all words if there is no such word, and
        one list is for the trigrams of the words that name no slot. The other scopes are wider and matter less: in
        each, a single list is for all words and these trigrams. Filler such as "the" is never searched for.

        Args:
            query: The query.
            scopes: The filters within which to search.
            length: The largest number of hits in each list.
            exact: The filter for resources whose id, name or ARN is the query; ``None`` to skip this search.
            limit: The largest number of ids that pass ``exact``.

        Returns:
            The lists of each scope, and the ids that pass ``exact``.
        """
        grams = self._terms.grams(query.rest_text)
        planned = [(0, "words", self._terms.words(query.rest_words or query.content_words)), (0, "grams", grams)]
        planned += [(scope, "words", self._terms.words(query.content_words) + grams) for scope in range(1, len(scopes))]
        planned = [(scope, kind, vector) for scope, kind, vector in planned if vector.indices]
        queries = [VectorQuery(vector, length, scopes[scope]) for scope, _, vector in planned]
        exact_queries = [VectorQuery(None, limit, exact)] if exact else []
        hit_lists = self._store.query(AWS_ESTATE.name, [*exact_queries, *queries])
        exact_ids = [hit.id for hits in hit_lists[: len(exact_queries)] for hit in hits]
        found: list[dict[str, Sequence[Scored]]] = [{} for _ in scopes]
        for (scope, kind, _), hits in zip(planned, hit_lists[len(exact_queries) :], strict=True):
            found[scope][kind] = hits
        return [RankedLists(**lists) for lists in found], exact_ids

    def meaning(self, query: ParsedQuery) -> QueryMeaning | None:
        """Start to embed a query; returns ``None`` if the query is a name or an id, which has no meaning to compare."""
        return None if query.identifying else QueryMeaning(self._store, self._vectors, query.corrected_text)


class QueryMeaning:
    """The embedding of one query, computed in a thread of its own.

    Embedding takes milliseconds and releases the GIL, so the caller can read and judge other lists at the same time.
    """

    def __init__(self, store: VectorStore, vectors: EstateVectors, text: str) -> None:
        self._store = store
        self._vector = in_daemon_thread(lambda: vectors.of([text])[0], "embed-query")

    def nearest(self, where: PointFilter, length: int) -> Sequence[Scored]:
        """Return the rows that pass a filter, nearest in meaning first; waits for the embedding."""
        return self._store.query(AWS_ESTATE.name, [VectorQuery(self._vector.result(), length, where)])[0]
