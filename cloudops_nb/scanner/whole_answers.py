"""Refuses JSON answers that are not whole, which botocore takes for answers that say nothing.

A body that it cannot read as JSON, because a connection was cut or something on the way answered in the service's
place, becomes an empty answer in botocore. To a scan that would mean: there is nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel

_JSON = ("json", "rest-json")
_ERRORS = 300
#: A longer body is believed to hold something of what was asked for if it is whole.
_SHORT = 2_000


def refuse_broken(operation_model: OperationModel, response_dict: Mapping[str, Any], **_: Any) -> None:
    """Handle botocore's ``before-parse``: look at a JSON body before it is parsed.

    Raises:
        ResponseParserError: The body is cut short, no JSON object, or holds nothing that the operation answers with.
    """
    shape = operation_model.output_shape
    spoken = operation_model.service_model.resolved_protocol
    if spoken not in _JSON or response_dict["status_code"] >= _ERRORS or shape is None:
        return
    named = {
        member.serialization.get("name", name)
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }
    if not named or "payload" in shape.serialization or operation_model.has_event_stream_output:
        return
    if not _whole(response_dict["body"], named):
        raise ResponseParserError(f"{operation_model.name} was answered with what is not a whole answer")


def _whole(body: bytes, named: set[str]) -> bool:
    # Text may hold a brace without its pair, so that only those which do not pair up are worth a parser's time.
    text = body.strip()
    enclosed = text.startswith(b"{") and text.endswith(b"}")
    if enclosed and len(text) > _SHORT and text.count(b"{") == text.count(b"}"):
        return True
    try:
        data = json.loads(text) if enclosed else None
    except ValueError:
        return False
    return isinstance(data, dict) and (not data or not named.isdisjoint(data))
