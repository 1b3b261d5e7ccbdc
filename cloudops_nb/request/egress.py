"""The one door out: every byte for a playbook server is checked again here, and on record before it leaves."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cloudops_nb import protocol
from cloudops_nb.errors import EgressRefusedError
from cloudops_nb.ssm.effects import iam_actions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from cloudops_nb.request.ports import Ledger, Transport

_REQUEST_ID = re.compile(r"[0-9a-f]{32}")
_STRUCTURE = frozenset(
    name
    for model in (
        protocol.PlanRequest, protocol.ResourceHandle, protocol.SetHandle, protocol.Facets, protocol.ValueSlot,
        protocol.Exchange,
    )
    for name in model.model_fields
)  # fmt: skip
_LITERALS = frozenset(
    {
        protocol.VERSION, "resource", "set", "true", "false", "allowed", "denied",
        "text", "key_value", "number", "size", "duration", "instance_type", "place",
        "0", "1", "2-5", "6-20", "21-100", "101+",
        "can_start", "can_stop", "can_delete",
        "has_dependencies", "has_backups", "multi_az", "read_replicas", "protected",
    }
)  # fmt: skip


def serialise(request: protocol.PlanRequest) -> bytes:
    """Return the one byte form of a request: sorted keys, no white space, defaults left out."""
    data = request.model_dump(mode="json", exclude_defaults=True) | {
        "protocol": request.protocol,
        "handles": [_with_kind(handle) for handle in request.handles],
    }
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode("ascii")


def _with_kind(handle: protocol.ResourceHandle | protocol.SetHandle) -> dict[str, Any]:
    return handle.model_dump(mode="json", exclude_defaults=True) | {"kind": handle.kind}


def check(body: bytes, private: Collection[str]) -> None:
    """Refuse bytes that hold anything unpublished.

    Three checks, each meant to hold if the others have a hole: the schema, then every string of the document must be
    in a closed set, then none of the private values at hand may stand in any of them.

    Args:
        body: The finished request.
        private: Values of the estate and the prompt that must not leave: names, ids, ARNs, tags, accounts, regions.

    Raises:
        EgressRefusedError: Something is wrong; the message does not repeat it.
    """
    if len(body) > protocol.MAX_BYTES:
        raise EgressRefusedError("the request is too large", f"{len(body)} bytes, the most is {protocol.MAX_BYTES}")
    try:
        protocol.PlanRequest.model_validate_json(body)
    except ValidationError:
        raise _refusal("it does not fit the published schema") from None
    document = json.loads(body)
    request_id = document.pop("request_id")
    if not _REQUEST_ID.fullmatch(request_id):
        raise _refusal("its request id is not random hex")
    texts = list(_strings(document))
    if not all(_is_published(text) for text in texts):
        raise _refusal("it holds a string that is not published")
    content = "\n".join(texts).casefold()
    if any(value.strip().casefold() in content for value in private if _is_telling(value)):
        raise _refusal("it holds a value of the estate or the prompt")


def checked_bytes(request: protocol.PlanRequest, private: Collection[str]) -> bytes:
    """Return exactly the bytes that leave for a request, after :func:`check`; sends and records nothing.

    Raises:
        EgressRefusedError: The check refuses the bytes.
    """
    body = serialise(request)
    check(body, private)
    return body


def _refusal(why: str) -> EgressRefusedError:
    return EgressRefusedError(
        "nothing was sent", why, "This is a defect of cloudops_nb: please report the prompt's form."
    )


@cache
def _closed() -> frozenset[str]:
    return protocol.closed_words() | iam_actions() | _STRUCTURE | _LITERALS


def _is_published(text: str) -> bool:
    return text in _closed() or protocol.SLOT.fullmatch(text) is not None


def _is_telling(value: str) -> bool:
    """Whether finding a value in the bytes would tell anything: not if published text contains it anyway."""
    folded = value.strip().casefold()
    slot = protocol.SLOT.fullmatch(folded)
    return bool(folded) and not slot and not any(folded in word.casefold() for word in _closed())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


class EgressGate:
    """Checks, records, then sends; a request that is not on record does not leave.

    Args:
        transport: The way to the server.
        ledger: Where each request is recorded, with its whole body.
    """

    def __init__(self, transport: Transport, ledger: Ledger) -> None:
        self._transport = transport
        self._ledger = ledger

    def send(self, request: protocol.PlanRequest, private: Collection[str]) -> tuple[protocol.PlanResponse, int]:
        """Send a request; return the answer and how many bytes left.

        Raises:
            EgressRefusedError: The gate stopped it, or the server did not answer in the protocol.
        """
        body = checked_bytes(request, private)
        self._ledger.append(
            "egress",
            request.request_id,
            {
                "destination": self._transport.destination,
                "purpose": "plan",
                "bytes": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
                "body": body.decode("ascii"),
            },
        )
        answer = self._transport.send(body)
        if len(answer) > protocol.MAX_BYTES:
            raise EgressRefusedError(
                "the playbook server's response is too large", f"it is larger than {protocol.MAX_BYTES} bytes"
            )
        try:
            response = protocol.PlanResponse.model_validate_json(answer)
        except ValidationError as error:
            raise EgressRefusedError(
                "the playbook server's answer does not fit the protocol",
                f"{error.error_count()} fields are wrong",
                "Check that server and notebook run matching versions.",
            ) from None
        if response.request_id != request.request_id:
            raise EgressRefusedError("the playbook server answered another request", "", "Ask again.")
        return response, len(body)
