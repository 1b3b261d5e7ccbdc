"""How hits are ranked: every constant of it, and the fusion of ranked lists."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudops_nb.storage.engines.vector_store import Scored

#: How many hits each list contributes, and how many of the fused ones are opened and looked at.
LIST_LENGTH = 60
LOOKED_AT = 24
#: How many are opened for what looks like a name or an id: its letters find it, or something very like it, at once.
LOOKED_AT_FOR_IDENTIFIERS = 16
#: How many are opened on the strength of their words alone, while the query is being embedded.
LOOKED_AT_EARLY = 12
#: This many that bear every word of the query are an answer: then nothing is looked for by meaning.
ENOUGH = 5
#: The constant of reciprocal rank fusion; small, because the first few ranks are what matters in a top ten.
RRF_K = 10

#: What a hit gains by what is seen of it once it is open. Ranks give at most 1, so that evidence in names decides, and
#: similarity orders the rest.
EXACT = 100.0
#: What is left of the query, once structure is taken out, is in the name; or only without separators; or is one word of
#: a language, which many things may be about; and what it gains on top by being all of the name.
WHOLE_FRAGMENT, SQUASHED_FRAGMENT, ONE_WORD = 3.0, 2.9, 2.2
WHOLE_NAME = 0.25
#: All words of the query that name no structure share one of these, each by where it stands.
NAME_WORD = 2.0
NAME_PART = 1.8
TAG_WORD = 1.5
TOLD_WORD = 1.0
SIMILAR_WORD = 1.5
#: Each slot of the query that the hit fits, as the environment; and each of its words that the name holds too.
SLOT, TYPE = 0.75, 1.75
STRUCTURE_WORD = 0.4
#: A name that is, letter by letter, all that the query says; one that is half as alike gains half of it.
ALIKE = 0.1
#: What a thing loses that only belongs to another one, whose name it bears, where the query names no type.
COMPANION = 0.25
#: Words less alike than this (Dice coefficient of trigrams) are not called similar.
SIMILAR_ENOUGH = 0.4
#: What a word counts that many names share, beside others.
WEAK_WORD = 0.25
#: A hit among the first of the list by meaning is said to be similar in meaning.
MEANT = 15


@dataclass(frozen=True, slots=True)
class ListWeights:
    """What each kind of list counts in the fusion."""

    meaning: float
    words: float
    grams: float


#: A name or an id: letters matter, and a list by meaning would only spoil it.
FOR_IDENTIFIERS = ListWeights(meaning=0.0, words=0.5, grams=1.0)
FOR_WORDS = ListWeights(meaning=1.0, words=1.0, grams=0.5)
#: No word of the query is anywhere in the estate: misspelt, or a paraphrase.
FOR_UNKNOWN_WORDS = ListWeights(meaning=1.0, words=0.0, grams=1.0)
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
