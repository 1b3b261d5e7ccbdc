"""How hits are ranked: every constant of it, and the fusion of ranked lists."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudops_nb.storage.vector_store import Scored

#: How many hits each list contributes, and how many of the fused ones are opened and looked at.
LIST_LENGTH = 60
LOOKED_AT = 30
#: The constant of reciprocal rank fusion; small, because the first few ranks are what matters in a top ten.
RRF_K = 10

#: What a hit gains by what is seen of it once it is open. Ranks give at most 1, so that evidence in names decides, and
#: similarity orders the rest.
EXACT = 100.0
WHOLE_FRAGMENT = 3.0
NAME_WORDS = 2.0
TAG_WORDS = 1.5
SIMILAR_NAME = 1.5
#: Each slot of the query that the hit fits, as the environment.
SLOT = 0.75
#: Names less alike than this (Dice coefficient of trigrams) are not called similar.
SIMILAR_ENOUGH = 0.4
#: A hit among the first of the list by meaning is said to be similar in meaning.
MEANT = 15


@dataclass(frozen=True, slots=True)
class Weights:
    """What each kind of list counts in the fusion."""

    meaning: float
    words: float
    grams: float


#: A name or an id: letters matter, and a list by meaning would only spoil it.
FOR_IDENTIFIERS = Weights(meaning=0.0, words=0.5, grams=1.0)
FOR_WORDS = Weights(meaning=1.0, words=1.0, grams=0.25)
#: No word of the query is anywhere in the estate: misspelt, or a paraphrase.
FOR_UNKNOWN_WORDS = Weights(meaning=1.0, words=0.0, grams=1.0)
#: The lists without the query's structure count this much beside those within it.
OUTSIDE = 0.4


def fuse(lists: Iterable[tuple[float, Sequence[Scored]]]) -> dict[str, float]:
    """Fuse weighted lists by reciprocal rank: id to score, from 0 to 1, best first."""
    lists = [(weight, hits) for weight, hits in lists if weight and hits]
    most = sum(weight for weight, _ in lists) / (RRF_K + 1)
    scores: defaultdict[str, float] = defaultdict(float)
    for weight, hits in lists:
        for rank, hit in enumerate(hits, start=1):
            scores[hit.id] += weight / (RRF_K + rank) / most
    return dict(sorted(scores.items(), key=lambda pair: -pair[1]))
