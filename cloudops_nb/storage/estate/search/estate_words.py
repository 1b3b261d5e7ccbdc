"""Looks up the accounts, types, tags and words that the estate has; caches the results until the estate changes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import PointFilter, VectorQuery
from cloudops_nb.storage.estate.lexicon import phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.estate.estate_facets import EstateFacets
    from cloudops_nb.storage.estate.points import EstatePoints
    from cloudops_nb.storage.estate.terms import EstateTerms

#: Largest number of cached results about single words and tags.
MAX_CACHED = 1024


class EstateWords:
    """Looks up values, tags and words in the estate, with a cache; safe to share between threads.

    A generation is a number that changes with every write to the estate. A cached result is used only while the estate
    has the same generation.
    """

    def __init__(self, store: VectorStore, points: EstatePoints, terms: EstateTerms, facets: EstateFacets) -> None:
        self._store = store
        self._points = points
        self._terms = terms
        self._facets = facets
        self._cache: OrderedDict[tuple[str, str], tuple[int, bool]] = OrderedDict()

    def now(self) -> WordsAtGeneration:
        """Return the look-ups at the estate's current generation."""
        return WordsAtGeneration(self, self._store.generation(AWS_ESTATE.name))

    def values(self, generation: int, *fields: str) -> list[str]:
        """Return all values that the fields have in the estate."""
        return self._facets.values(generation, *fields)

    def tagged(self, generation: int, pair: str) -> bool:
        """Return whether any resource has the tag ``pair``, given as ``key=value``."""
        where = PointFilter([self._points.one_of("tags", [pair])])
        return self._cached(generation, "tag", pair, lambda: self._store.count(AWS_ESTATE.name, where) > 0)

    def has_word(self, generation: int, word: str) -> bool:
        """Return whether any resource has this word in the lexical index."""
        query = VectorQuery(self._terms.words([word]), 1)
        return self._cached(generation, "word", word, lambda: any(self._store.query(AWS_ESTATE.name, [query])))

    def _cached(self, generation: int, kind: str, text: str, look_up: Callable[[], bool]) -> bool:
        cached = self._cache.get((kind, text))
        if cached is None or cached[0] != generation:
            cached = self._cache[kind, text] = (generation, look_up())
            while len(self._cache) > MAX_CACHED:
                self._cache.popitem(last=False)
        return cached[1]


class WordsAtGeneration:
    """The estate's accounts, types, tags and words at one generation, for one query; looked up only when needed."""

    def __init__(self, words: EstateWords, generation: int) -> None:
        self._words = words
        self._generation = generation

    def accounts(self) -> Sequence[str]:
        """Return the names and ids of the estate's accounts."""
        return self._words.values(self._generation, "account_name", "account_id")

    def types(self) -> Sequence[str]:
        """Return the resource types of the estate."""
        return self._words.values(self._generation, "resource_type")

    def tag_keys(self) -> Mapping[str, Sequence[str]]:
        """Return the tag keys for each phrase (words without plural endings): "cost centre" has ``CostCentre``."""
        found: dict[str, list[str]] = {}
        for key in self._words.values(self._generation, "tag_keys"):
            found.setdefault(phrase(key), []).append(key)
        return found

    def tagged(self, pair: str) -> bool:
        """Return whether any resource has this tag, as ``key=value``; case is ignored."""
        return self._words.tagged(self._generation, pair)

    def has_word(self, word: str) -> bool:
        """Return whether the word is in the name, id, tags or description of any resource."""
        return self._words.has_word(self._generation, word)
