"""The constants of ranking, and the fusion of ranked lists."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloudops_nb.storage.engines.vector_store import Scored

#: Number of hits per list, and number of fused hits that are opened and judged.
LIST_LENGTH = 60
LOOKED_AT = 24
#: Number of hits opened for a name or an id: its letters find the resource, or a very similar one, immediately.
LOOKED_AT_FOR_IDENTIFIERS = 16
#: Number of hits opened for their words alone, while the query is being embedded.
LOOKED_AT_EARLY = 12
#: Number of complete hits that make a sufficient answer, without a search by meaning.
ENOUGH = 5
#: The constant of reciprocal rank fusion; small, because only the first ranks matter in a list of ten.
RRF_K = 10

#: The gains of an opened hit. Its fused rank gives at most 1, so that evidence decides and similarity orders the rest.
#: An exact id, name or ARN:
EXACT = 100.0
#: The remaining words are in the name; or only without separators; or are a single plain word, which many resources may
#: be about. WHOLE_NAME is added if they are the whole name.
WHOLE_FRAGMENT, SQUASHED_FRAGMENT, ONE_WORD = 3.0, 2.9, 2.2
WHOLE_NAME = 0.25
#: Otherwise each remaining word has its share of one of these gains, depending on its source.
NAME_WORD = 2.0
NAME_PART = 1.8
TAG_WORD = 1.5
TOLD_WORD = 1.0
SIMILAR_WORD = 1.5
#: Each slot of the query that the hit matches, and each word of a slot that is also in the name.
SLOT, TYPE = 0.75, 1.75
STRUCTURE_WORD = 0.4
#: A name that equals the remaining words letter by letter; a less similar name gains proportionally less.
ALIKE = 0.1
#: The loss of a resource that belongs to another one and has its name, if the query names no type.
COMPANION = 0.25
#: Lowest Dice coefficient of two words' trigrams at which they count as similar.
SIMILAR_ENOUGH = 0.4
#: The weight of a word that many names share; other words have weight 1.
WEAK_WORD = 0.25
#: Number of hits at the top of the list by meaning that are reported as similar in meaning.
MEANT = 15


@dataclass(frozen=True, slots=True)
class ListWeights:
    """The weight of each kind of list in the fusion."""

    meaning: float
    words: float
    grams: float


#: For a name or an id: letters matter, and a list by meaning would make the ranking worse.
FOR_IDENTIFIERS = ListWeights(meaning=0.0, words=0.5, grams=1.0)
FOR_WORDS = ListWeights(meaning=1.0, words=1.0, grams=0.5)
#: For a misspelling or a paraphrase: the estate has no word of the query.
FOR_UNKNOWN_WORDS = ListWeights(meaning=1.0, words=0.0, grams=1.0)
#: The relative weight of lists outside the query's filters.
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
