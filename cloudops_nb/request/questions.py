"""What has to be asked back, on the host, before a change may be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.understanding.intent import NEGATIONS
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.request.reading import Reading
    from cloudops_nb.understanding.intent import Intent


@dataclass(frozen=True, slots=True)
class Found:
    """What a prompt's target was taken to be.

    ``settled`` means that exactly these are meant, however many; ``contradicted`` that something was named which the
    other words (state, environment, type, place) do not fit.
    """

    members: Sequence[Resource]
    settled: bool
    contradicted: bool = False


def question_about(reading: Reading, intent: Intent, found: Found, also_names: Sequence[str]) -> str:
    """Return what to ask, empty when every word is understood and the target is settled.

    Args:
        reading: The prompt, with the role that each token got.
        intent: The change asked for.
        found: The target.
        also_names: Published words of the prompt that are the name of some other resource.
    """
    return _about_the_words(reading, intent) or _about_the_target(reading, intent, found) or _about_names(also_names)


def _about_the_words(reading: Reading, intent: Intent) -> str:
    words = set(reading.words)
    if intent.negated:
        said = " and ".join(f"'{word}'" for word in sorted(NEGATIONS & words))
        return f"The request says what not to do ({said}). Say only what to do, and name what it is done to."
    if others := [other for other in intent.others if other not in vocabulary().reading]:
        return f"One change at a time: {intent.action}, or {' or '.join(others)}?"
    if qualifiers := vocabulary().qualifiers & words:
        said = " and ".join(f"'{word}'" for word in sorted(qualifiers))
        return f"A plan cannot take {said} into account: it runs once, when it is approved. Say it without."
    if left := [reading.tokens[place].text for place in reading.places("open")]:
        said = " and ".join(f"'{text}'" for text in left)
        return f"{said} was not understood: no name, id, tag or place here has it. What is meant?"
    return ""


def _about_the_target(reading: Reading, intent: Intent, found: Found) -> str:
    members = found.members
    if found.contradicted:
        return "What is named does not fit the other words (state, environment, type or place). Which is meant?"
    if not members:
        return f"Nothing in the estate fits what to {intent.action}. Name it by id or name."
    if len({member.resource_type for member in members}) > 1:
        return f"More than one type of resource fits. Which should I {intent.action}?"
    if not found.settled and not vocabulary().quantifiers & set(reading.words):
        return f"{len(members)} resources fit. Which should I {intent.action}? Say 'all' if all are meant."
    return ""


def _about_names(also_names: Sequence[str]) -> str:
    if not also_names:
        return ""
    return f"'{also_names[0]}' is also the name of a resource. Quote it if that is meant, else name the target by id."
