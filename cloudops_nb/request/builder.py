"""The request builder: one prompt in, one private request out, and the answer bound to real resources."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from cloudops_nb import protocol
from cloudops_nb.request.facets import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from cloudops_nb.model import Resource
    from cloudops_nb.request.resolve import Resolution


def build(
    resolution: Resolution,
    environment_of: Callable[[Resource], str],
    *,
    history: Sequence[Mapping[str, object]] = (),
    request_id: str = "",
) -> protocol.PlanRequest:
    """Return the request for a settled resolution.

    Args:
        resolution: What the prompt means; its ``question`` must be empty, and so it has a target.
        environment_of: Returns a resource's environment class.
        history: Earlier exchanges of the conversation (``words``, ``intent``); the last five are sent.
        request_id: 32 hex digits; random if empty.
    """
    handle = describe("r1", [(member, environment_of(member)) for member in resolution.members])
    return protocol.PlanRequest(
        request_id=request_id or uuid.uuid4().hex,
        words=tuple(resolution.words),
        handles=(handle,),
        values=tuple(protocol.ValueSlot(slot=slot, value_type=resolution.types[slot]) for slot in resolution.values),
        history=tuple(
            protocol.Exchange.model_validate({**exchange, "words": tuple(exchange["words"])})  # type: ignore[arg-type] # validated here
            for exchange in list(history)[-protocol.MAX_EXCHANGES :]
        ),
    )


def private_values(resolution: Resolution, prompt: str, places: Collection[str]) -> set[str]:
    """Return the values at hand that must not stand in the request: the targets', the prompt's and all places."""
    private = {*places, *resolution.values.values()}
    public = protocol.closed_words()
    private.update(word for word in prompt.split() if word.casefold().strip(".,;:!?()[]'\"`") not in public)
    for member in resolution.members:
        private.update(
            (
                member.identifier,
                member.name,
                member.arn,
                member.account_id,
                member.account_name,
                member.region,
            )
        )
        private.update(member.tags.keys())
        private.update(member.tags.values())
        private.update(str(value) for value in member.metadata.values() if isinstance(value, str))
    return {value for value in private if value}
