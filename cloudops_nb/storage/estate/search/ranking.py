"""The constants of ranking, and the fusion of ranked lists.

A list ranks hits by one criterion: meaning, whole words or trigrams. The best hits of all lists are decrypted and
judged; the score of a hit is its fused rank plus the gains of its judgement.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudops_nb.storage.engines.vector_store import Scored

#: Number of hits per list, and number of fused hits that are decrypted and judged.
LIST_LENGTH = 60
LOOKED_AT = 24
#: Number of hits that are judged for a name or an id: its letters rank the resource among the first.
LOOKED_AT_FOR_IDENTIFIERS = 16
#: Number of hits by words and trigrams that are judged while the query is being embedded.
LOOKED_AT_EARLY = 12
#: Number of complete hits that are sufficient without a search by meaning.
SUFFICIENT = 5
#: The constant of reciprocal rank fusion; small, because users see about ten hits, so only the first ranks matter.
RRF_K = 10

# The gains of a judged hit. The fused rank gives at most 1, so the gains decide the order, and the rank orders hits
# with equal gains. "Remaining words" are the words of the query that name no slot (type, region and so on).
#: The query, or a name-like token of the query, is the whole id, name or ARN.
EXACT = 100.0
#: The remaining words together are a part of the name: as typed, only without separators, or as a single plain word,
#: which may be a topic of many resources. WHOLE_NAME is added if they are the whole id, name or ARN.
WHOLE_FRAGMENT, SQUASHED_FRAGMENT, ONE_WORD = 3.0, 2.9, 2.2
WHOLE_NAME = 0.25
#: Otherwise each remaining word gets its share of one of these gains: the word is in the name, a part of the name, in a
#: tag, in the description, or similar to a word of the name or a tag.
NAME_WORD = 2.0
NAME_PART = 1.8
TAG_WORD = 1.5
DESCRIPTION_WORD = 1.0
SIMILAR_WORD = 1.5
#: The hit matches a slot of the query: SLOT for each slot, but TYPE for the type.
SLOT, TYPE = 0.75, 1.75
#: A word that names a slot is also in the name.
STRUCTURE_WORD = 0.4
#: The name is the same as the remaining words; a less similar name gains proportionally less.
ALIKE = 0.1
#: Subtracted from a resource whose type usually has the name of the resource that it belongs to (a volume of a server),
#: if the query names no type.
COMPANION = 0.25
#: The smallest Dice coefficient of two words' trigrams with which the words count as similar.
SIMILAR_ENOUGH = 0.4
#: The weight of a word that many names share; every other word has the weight 1.
WEAK_WORD = 0.25
#: Number of hits at the top of the list by meaning whose reasons include "similar meaning".
SHOWN_AS_SIMILAR = 15


@dataclass(frozen=True, slots=True)
class ListWeights:
    """The weight of each kind of list in a fusion."""

    meaning: float
    words: float
    grams: float


#: For a name or an id. Only its letters matter; a list by meaning would make the ranking worse.
FOR_IDENTIFIERS = ListWeights(meaning=0.0, words=0.5, grams=1.0)
FOR_WORDS = ListWeights(meaning=1.0, words=1.0, grams=0.5)
#: For a query without any word that the estate has: a misspelling or a paraphrase.
FOR_UNKNOWN_WORDS = ListWeights(meaning=1.0, words=0.0, grams=1.0)
#: The scale of lists in the wider scope, whose hits need not match all slots of the query.
WIDER_SCOPE = 0.4


def fuse(lists: Iterable[tuple[float, Sequence[Scored]]]) -> dict[str, float]:
    """Fuse weighted lists by reciprocal rank; returns each id with its score from 0 to 1, best first."""
    lists = [(weight, hits) for weight, hits in lists if weight and hits]
    highest = sum(weight for weight, _ in lists) / (RRF_K + 1)
    scores: defaultdict[str, float] = defaultdict(float)
    for weight, hits in lists:
        for rank, hit in enumerate(hits, start=1):
            scores[hit.id] += weight / (RRF_K + rank) / highest
    return dict(sorted(scores.items(), key=lambda pair: -pair[1]))
