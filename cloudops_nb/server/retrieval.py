"""Which playbooks fit a request, best first, each with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.protocol import SLOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.protocol import PlanRequest
    from cloudops_nb.server.classification import Classification
    from cloudops_nb.ssm.catalogue import Catalogue, Playbook

#: What each agreement is worth; the sum is 1.
INTENT, RESOURCE_TYPE, KEYWORDS, MEANING = 0.5, 0.3, 0.1, 0.1
#: Below this nothing is proposed.
FLOOR = 0.7
#: How many are told.
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A playbook with its score from 0 to 1 and what it rests on."""

    playbook: Playbook
    score: float
    reason: str


def retrieve(
    request: PlanRequest,
    classification: Classification,
    catalogue: Catalogue,
    similarity: Callable[[str, Sequence[str]], Sequence[float]] | None,
) -> list[Candidate]:
    """Return the newest runnable version of each playbook, in the order in which they fit.

    Intent and type decide; keywords and meaning order what they leave equal.
    """
    playbooks = catalogue.runnable
    words = [word for word in request.words if not SLOT.fullmatch(word)]
    texts = [f"{playbook.metadata.name}. {playbook.metadata.purpose}" for playbook in playbooks]
    meanings = similarity(" ".join(words), texts) if similarity and playbooks else [0.0] * len(playbooks)
    found = [
        _score(playbook, set(words), classification, meaning)
        for playbook, meaning in zip(playbooks, meanings, strict=True)
    ]
    return sorted(found, key=lambda candidate: (-candidate.score, candidate.playbook.ref.id))


def _score(playbook: Playbook, words: set[str], classification: Classification, meaning: float) -> Candidate:
    metadata = playbook.metadata
    same_intent = classification.intent.action in metadata.intents
    same_type = bool(set(classification.resource_types) & set(metadata.resource_types))
    keywords = sorted(words & {part for keyword in metadata.keywords for part in keyword.casefold().split()})
    score = (
        INTENT * same_intent
        + RESOURCE_TYPE * same_type
        + KEYWORDS * min(len(keywords), 3) / 3
        + MEANING * min(max(meaning, 0.0), 1.0)
    )
    reasons = [
        *([f"does what is asked ({classification.intent.action})"] if same_intent else []),
        *([f"acts on {', '.join(metadata.resource_types)}"] if same_type else []),
        *([f"words: {', '.join(keywords)}"] if keywords else []),
        *([f"meaning {meaning:.2f}"] if meaning > 0 else []),
    ]
    return Candidate(playbook, round(score, 4), "; ".join(reasons) or "nothing in common")
