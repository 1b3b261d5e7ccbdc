"""The constants of ranking, and the fusion of ranked lists.

A list ranks hits by one criterion: meaning, whole words or trigrams. The fusion combines the ranks that a hit has in
several lists into a number from 0 to 1, the fused rank. The hits with the highest fused ranks are decrypted and judged.
The score of a hit is its fused rank plus the gains of its judgement.
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
#: Number of hits that are judged if the query is a name or an id. Its letters rank the right resource among the first.
LOOKED_AT_FOR_IDENTIFIERS = 16
#: Number of hits by words and trigrams that are judged while the query is being embedded.
LOOKED_AT_EARLY = 12
#: If this number of hits (or the limit of the search, if lower) match every slot and word of the query, no search by
#: meaning is made.
SUFFICIENT = 5
#: The constant of reciprocal rank fusion; small, because users see about ten hits, so only the first ranks matter.
RRF_K = 10

# The gains of a judged hit. The fused rank is at most 1, so large differences between gains decide the order, and the
# fused rank orders hits with similar gains. "Remaining words" are the words of the query that name no slot (type,
# region and so on) and are not filler.
#: The query, or a name-like token of the query, is the whole id, name or ARN.
EXACT = 100.0
#: The remaining words together are a part of the name or id: WHOLE_FRAGMENT if as typed, SQUASHED_FRAGMENT if only
#: without separators. ONE_WORD is for a single plain word, which may be the topic of many resources. WHOLE_NAME is
#: added if the remaining words are the whole id, name or ARN.
WHOLE_FRAGMENT, SQUASHED_FRAGMENT, ONE_WORD = 3.0, 2.9, 2.2
WHOLE_NAME = 0.25
#: Otherwise each remaining word adds its share of one of these gains. In the order of the constants: it is a word of
#: the name, a part of the name or id, a word of a tag's value, a word of the description, or similar to a word of the
#: name or of a tag's value.
NAME_WORD = 2.0
NAME_PART = 1.8
TAG_WORD = 1.5
DESCRIPTION_WORD = 1.0
SIMILAR_WORD = 1.5
#: The hit matches a slot of the query: TYPE for the type, SLOT for any other slot.
SLOT, TYPE = 0.75, 1.75
#: A word that names a slot is also in the name.
STRUCTURE_WORD = 0.4
#: The name equals the remaining words; a name that is only similar gains proportionally less.
ALIKE = 0.1
#: Subtracted, if the query names no type, from a resource that belongs to another resource and usually has the name of
#: that resource, such as the volume of a server.
COMPANION = 0.25
#: Two words count as similar if the Dice coefficient of their trigrams is at least this.
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


#: For a query that is a name or an id. Only its letters matter; a list by meaning would make the ranking worse.
FOR_IDENTIFIERS = ListWeights(meaning=0.0, words=0.5, grams=1.0)
FOR_WORDS = ListWeights(meaning=1.0, words=1.0, grams=0.5)
#: For a query whose words no resource has, such as a misspelling or a paraphrase.
FOR_UNKNOWN_WORDS = ListWeights(meaning=1.0, words=0.0, grams=1.0)
#: The factor for the weights of lists in the wider scope, whose hits need not match all slots of the query.
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
