"""The keyed lexical index: sparse vectors with one weighted dimension for each word and each trigram of a resource.

The number of a dimension is a keyed hash of its word or trigram (three characters of a word), so Qdrant does not see
the text. Qdrant multiplies each weight by the dimension's inverse document frequency, so a rare word weighs more.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING

from cloudops_nb.storage.engines.vector_store import Sparse
from cloudops_nb.storage.estate.lexicon import grams, stem, stems, word_grams, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.encryption.blind_index import BlindIndex
    from cloudops_nb.storage.estate.description import Wording

#: The weight of a word in the name or id, in a tag, and in the description; the highest weight counts.
NAME_WEIGHT, TAG_WEIGHT, DESCRIPTION_WEIGHT = 2.0, 1.25, 1.0
#: Largest number of words from each of the three sources (name and id, tags, description).
_MOST_WORDS = 120
_CACHED_TEXTS = 1 << 14


class EstateTerms:
    """Builds sparse vectors of resources and queries; safe to share between threads.

    Words and trigrams have separate dimensions, so a query can search for either or both. The dimensions of the latest
    texts are cached, because phrases, tags and the words of names repeat.
    """

    def __init__(self, blind_index: BlindIndex) -> None:
        self._token, tokens = blind_index.token, blind_index.tokens
        self._words_in = lru_cache(_CACHED_TEXTS)(lambda text: tuple(tokens("word", stems(text))))
        self._grams_in = lru_cache(_CACHED_TEXTS)(lambda word: tuple(tokens("gram", word_grams(word))))

    def of(self, resource: Resource, wording: Wording) -> Sparse:
        """Return the sparse vector of a resource: its words, and the trigrams of its name and id."""
        named = [resource.name, short_identifier(resource)]
        weights: dict[int, float] = {}
        tagged = [text for pair in sorted(resource.tags.items()) for text in pair]
        described = [*wording.phrases, *wording.spoken.values()]
        # The weights ascend, so that the last update of a word in several sources sets the highest weight.
        for weight, texts in ((DESCRIPTION_WEIGHT, described), (TAG_WEIGHT, tagged), (NAME_WEIGHT, named)):
            found = dict.fromkeys(chain.from_iterable(map(self._words_in, texts)), weight)
            weights.update(found if len(found) <= _MOST_WORDS else islice(found.items(), _MOST_WORDS))
        name_words = dict.fromkeys(chain.from_iterable(map(words, named)))
        dimensions = dict.fromkeys(chain.from_iterable(map(self._grams_in, name_words)))
        # A long name has trigrams in common with many other names, so each of its trigrams weighs less.
        weights.update(dict.fromkeys(dimensions, max(len(dimensions), 1) ** -0.5))
        return Sparse.of(weights)

    def words(self, query_words: Iterable[str]) -> Sparse:
        """Return the sparse vector that searches for whole words."""
        return Sparse.of({self._token("word", stem(word)): 1.0 for word in query_words})

    def grams(self, text: str) -> Sparse:
        """Return the sparse vector that searches for a text's trigrams, to find parts of names and misspelt names."""
        return Sparse.of({self._token("gram", gram): 1.0 for gram in grams(text)})


def short_identifier(resource: Resource) -> str:
    """Return a resource's id; if it is an ARN, only its last part, because other fields hold its other parts."""
    return resource.identifier.rsplit(":", 1)[-1] if resource.identifier.startswith("arn:") else resource.identifier
