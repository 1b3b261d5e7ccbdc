"""The agents in their order, as one function from request bytes to answer bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb import protocol
from cloudops_nb.errors import PromptError
from cloudops_nb.server.binding import bind_slots
from cloudops_nb.server.classification import Classification, classify_request
from cloudops_nb.server.retrieval import FLOOR, SHOWN, Candidate, retrieve
from cloudops_nb.server.risk import assess
from cloudops_nb.server.validation import obstacles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.ssm.catalogue import Catalogue


class PlaybookServer:
    """Answers requests from a catalogue; keeps nothing between them, so any number may run at once.

    Args:
        catalogue: The playbooks to choose from.
        similarity: Returns the cosine of a text with each of several; without it meaning does not count.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        similarity: Callable[[str, Sequence[str]], Sequence[float]] | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._similarity = similarity

    def handle(self, body: bytes) -> bytes:
        """Answer one serialised request.

        Raises:
            PromptError: The body is no request of this protocol; the message repeats nothing of it.
        """
        if len(body) > protocol.MAX_BYTES:
            raise PromptError("the request is too large", f"the most is {protocol.MAX_BYTES} bytes")
        try:
            request = protocol.PlanRequest.model_validate_json(body)
        except ValueError:
            raise PromptError(
                "the request does not fit the protocol", f"this server speaks {protocol.VERSION}"
            ) from None
        return self.answer(request).model_dump_json().encode()

    def answer(self, request: protocol.PlanRequest) -> protocol.PlanResponse:
        """Classify, retrieve, validate, assess and bind."""
        classification = classify_request(request)
        candidates = retrieve(request, classification, self._catalogue, self._similarity)
        chosen = candidates[0] if candidates and candidates[0].score >= FLOOR else None
        if chosen is None:
            return _unknown(request, classification, candidates)
        found = obstacles(request, chosen.playbook)
        if found:
            return _response(request, classification, "refusal", " ".join(found), candidates)
        bindings, blanks = bind_slots(request, chosen.playbook)
        if blanks:
            needed = ", ".join(f"{blank.parameter} ({blank.value_type})" for blank in blanks)
            text = f"{chosen.playbook.metadata.name} needs: {needed}. Say it in the request."
            return _response(request, classification, "clarification", text, candidates, blanks=tuple(blanks))
        level, reasons = assess(request, chosen.playbook)
        return _response(
            request, classification, "plan", _explanation(request, chosen), candidates,
            playbook=_version(chosen), bindings=tuple(bindings), level=level,
            reasons=tuple(map(protocol.line, reasons)),
        )  # fmt: skip


def _explanation(request: protocol.PlanRequest, chosen: Candidate) -> str:
    target = request.handles[0].slot if request.handles else "the resource"
    return f"{chosen.playbook.metadata.name} on {target}: {chosen.playbook.metadata.purpose}"


def _unknown(
    request: protocol.PlanRequest, classification: Classification, candidates: Sequence[Candidate]
) -> protocol.PlanResponse:
    """Say that there is no answer, and name the nearest playbooks."""
    nearest = ", ".join(candidate.playbook.metadata.name for candidate in candidates[:SHOWN])
    action = classification.intent.action or "that"
    published = (kind for kind in classification.resource_types if kind != protocol.OTHER)
    kinds = ", ".join(published) or "this resource"
    text = f"No playbook does {action} on {kinds}. Nearest: {nearest}."
    return _response(request, classification, "refusal", text, candidates)


def _version(candidate: Candidate) -> protocol.PlaybookVersion:
    ref = candidate.playbook.ref
    return protocol.PlaybookVersion(id=ref.id, version=ref.version, sha256=ref.sha256)


def _response(
    request: protocol.PlanRequest,
    classification: Classification,
    kind: str,
    text: str,
    candidates: Sequence[Candidate],
    **fields: object,
) -> protocol.PlanResponse:
    return protocol.PlanResponse.model_validate(
        {
            "request_id": request.request_id,
            "kind": kind,
            "intent": classification.intent.action,
            "confidence": classification.confidence,
            "text": protocol.line(text, protocol.MAX_TEXT),
            "alternatives": tuple(
                protocol.Alternative(
                    playbook=_version(candidate),
                    title=protocol.line(candidate.playbook.metadata.name, protocol.MAX_NAME),
                    score=candidate.score,
                    reason=protocol.line(candidate.reason),
                )
                for candidate in candidates[:SHOWN]
            ),
            **fields,
        }
    )
