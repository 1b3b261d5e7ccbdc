"""What a sequence of vocabulary words asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Words that negate; what exactly they exclude is not guessed, so a change with one of them is no request for it.
NEGATIONS = frozenset({"not", "no", "without"})
#: "on" and "off" mean start and stop only after one of these.
PARTICLES = frozenset({"on", "off"})
SWITCHING = frozenset({"turn", "power", "switch"})
#: Words that ask for something only if no stronger word does.
WEAK = frozenset({"on", "off", "get"})


@dataclass(frozen=True, slots=True)
class Intent:
    """The action asked for (empty when none is), and every other action the words mention.

    ``negated`` is set when the words say not to do something.
    """

    action: str = ""
    others: Sequence[str] = ()
    negated: bool = False

    @property
    def changes(self) -> bool:
        """Whether the action would change something."""
        return bool(self.action) and self.action not in vocabulary().reading


def classify(words: Sequence[str]) -> Intent:
    """Return the intent of words in order; tokens that are no vocabulary words are passed over.

    The first word that names an action decides: an imperative ("stop r1") or a question ("which r1 are stopped").
    Words of changing in general ("set", "update") give way to a specific one ("set a tag on r1" asks for a tag).
    """
    table = vocabulary().intents
    found = [(place, table[word]) for place, word in enumerate(words) if word in table and _is_verb(words, place)]
    specific = [entry for entry in found if words[entry[0]] not in WEAK and entry[1] != "modify"]
    ranked = specific or [entry for entry in found if words[entry[0]] not in WEAK] or found
    if not ranked:
        return Intent()
    _, action = ranked[0]
    others = tuple(dict.fromkeys(other for _, other in specific if other != action))
    return Intent(action, others, negated=bool(NEGATIONS & set(words)))


def _is_verb(words: Sequence[str], place: int) -> bool:
    """Whether an intent word acts as one here: "on" and "off" only after a verb of switching."""
    return words[place] not in PARTICLES or bool(SWITCHING & set(words[:place]))
