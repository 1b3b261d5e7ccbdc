"""The ranked lists behind a search: by meaning, by whole words, and by trigrams."""

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
    """The ranked lists of one scope of a search."""

    meaning: Sequence[Scored] = ()
    words: Sequence[Scored] = ()
    grams: Sequence[Scored] = ()

    def weighted(self, weights: ListWeights, scale: float) -> Iterator[tuple[float, Sequence[Scored]]]:
        """Yield each list with its weight."""
        yield scale * weights.meaning, self.meaning
        yield scale * weights.words, self.words
        yield scale * weights.grams, self.grams


class ListReader:
    """Asks the engine for lists; safe to share between threads."""

    def __init__(self, store: VectorStore, terms: EstateTerms, vectors: EstateVectors) -> None:
        self._store = store
        self._terms = terms
        self._vectors = vectors

    def lexical(
        self, query: ParsedQuery, scopes: Sequence[PointFilter], length: int, exact: PointFilter | None, limit: int
    ) -> tuple[list[RankedLists], list[str]]:
        """Return the lists by words and by trigrams of each scope, and what passes the exact filter; all in one turn.

        Within a query's structure only the other words are looked for. Outside of it, where little is expected, all its
        words and trigrams make one list.
        """
        grams = self._terms.grams(query.rest_text)
        asked = [(0, "words", self._terms.words(query.rest_words or query.content_words)), (0, "grams", grams)]
        asked += [(place, "words", self._terms.words(query.content_words) + grams) for place in range(1, len(scopes))]
        asked = [one for one in asked if one[2].indices]
        queries = [VectorQuery(vector, length, scopes[place]) for place, _, vector in asked]
        exactly = [VectorQuery(None, limit, exact)] if exact else []
        answers = self._store.query(AWS_ESTATE.name, [*exactly, *queries])
        equal = [hit.id for hits in answers[: len(exactly)] for hit in hits]
        found: list[dict[str, Sequence[Scored]]] = [{} for _ in scopes]
        for (place, kind, _), hits in zip(asked, answers[len(exactly) :], strict=True):
            found[place][kind] = hits
        return [RankedLists(**kinds) for kinds in found], equal

    def meaning(self, query: ParsedQuery) -> QueryMeaning | None:
        """Begin to embed a query; ``None`` for one whose meaning does not matter."""
        return None if query.identifying else QueryMeaning(self._store, self._vectors, query.meant_text)


class QueryMeaning:
    """The embedding of one query, made in a thread: the runtime computes without Python's lock, for milliseconds."""

    def __init__(self, store: VectorStore, vectors: EstateVectors, text: str) -> None:
        self._store = store
        self._vector = in_daemon_thread(lambda: vectors.of([text])[0], "embed-query")

    def nearest(self, where: PointFilter, length: int) -> Sequence[Scored]:
        """Return the list by meaning among the rows that pass a filter."""
        return self._store.query(AWS_ESTATE.name, [VectorQuery(self._vector.result(), length, where)])[0]
