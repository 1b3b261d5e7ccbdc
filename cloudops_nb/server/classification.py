"""What a request asks for: its intent, the types it is about, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.protocol import SLOT
from cloudops_nb.understanding.intent import Intent, classify
from cloudops_nb.understanding.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.protocol import PlanRequest


@dataclass(frozen=True, slots=True)
class Classification:
    """The intent, the resource types meant (of the handles, else of the words), and a confidence from 0 to 1."""

    intent: Intent
    resource_types: Sequence[str]
    confidence: float


def classify_request(request: PlanRequest) -> Classification:
    """Classify a request; without an action of its own it continues the last exchange ("the same for r1")."""
    words = [word for word in request.words if not SLOT.fullmatch(word)]
    intent = classify(words)
    confidence = 0.9
    if not intent.action and request.history:
        intent, confidence = Intent(request.history[-1].intent), 0.6
    types = [
        handle.resource_type if handle.kind == "set" else handle.facets.resource_type for handle in request.handles
    ]
    if not types:
        named = vocabulary().resource_types
        types = [named[word] for word in words if word in named]
        confidence -= 0.3
    if not intent.action:
        confidence = 0.0
    return Classification(intent, tuple(dict.fromkeys(types)), max(confidence, 0.0))
