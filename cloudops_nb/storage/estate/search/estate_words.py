"""What the estate itself says about the words of a query, asked of the engine and remembered until the next write."""

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

#: How many answers about single words and tags are remembered.
REMEMBERED = 1024


class EstateWords:
    """Answers about words, each true of the estate at some moment of the call; safe to share between threads."""

    def __init__(self, store: VectorStore, points: EstatePoints, terms: EstateTerms, facets: EstateFacets) -> None:
        self._store = store
        self._points = points
        self._terms = terms
        self._facets = facets
        self._answers: OrderedDict[tuple[str, str], tuple[int, bool]] = OrderedDict()

    def now(self) -> WordsAtGeneration:
        """Return what the estate says now."""
        return WordsAtGeneration(self, self._store.generation(AWS_ESTATE.name))

    def values(self, generation: int, *fields: str) -> list[str]:
        """Return the values of fields as of a generation."""
        return self._facets.values(generation, *fields)

    def tagged(self, generation: int, pair: str) -> bool:
        """Return whether a resource has a tag."""
        where = PointFilter([self._points.one_of("tags", [pair])])
        return self._remembered(generation, "tag", pair, lambda: self._store.count(AWS_ESTATE.name, where) > 0)

    def has_word(self, generation: int, word: str) -> bool:
        """Return whether a word is indexed."""
        query = VectorQuery(self._terms.words([word]), 1)
        return self._remembered(generation, "word", word, lambda: any(self._store.query(AWS_ESTATE.name, [query])))

    def _remembered(self, generation: int, kind: str, text: str, ask: Callable[[], bool]) -> bool:
        known = self._answers.get((kind, text))
        if known is None or known[0] != generation:
            known = self._answers[kind, text] = (generation, ask())
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return known[1]


class WordsAtGeneration:
    """The :class:`~cloudops_nb.storage.estate.search.query_parser.Known` of one query."""

    def __init__(self, words: EstateWords, generation: int) -> None:
        self._words = words
        self._generation = generation

    def accounts(self) -> Sequence[str]:
        """Return the names and ids of its accounts."""
        return self._words.values(self._generation, "account_name", "account_id")

    def tag_keys(self) -> Mapping[str, Sequence[str]]:
        """Return its tag keys by the phrase that people type for them: ``CostCentre`` is ``cost centre``."""
        found: dict[str, list[str]] = {}
        for key in self._words.values(self._generation, "tag_keys"):
            found.setdefault(phrase(key), []).append(key)
        return found

    def tagged(self, pair: str) -> bool:
        """Return whether a resource has this tag, as ``key=value`` without case."""
        return self._words.tagged(self._generation, pair)

    def has_word(self, word: str) -> bool:
        """Return whether the word stands in a name, a tag or a description."""
        return self._words.has_word(self._generation, word)
