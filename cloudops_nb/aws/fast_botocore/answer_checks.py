"""Refuses answers that are not whole, which botocore takes for answers that say nothing.

A body that it cannot read as JSON, because a connection was cut or something on the way answered in the service's
place, becomes an empty answer in botocore; and so does any well-formed XML, where nothing wraps the answer. To a scan
that would mean: there is nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from botocore.model import ListShape, StructureShape
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel, Shape

_JSON, _XML = ("json", "rest-json"), ("rest-xml",)
_ERRORS = 300
#: A longer body is believed to hold something of what was asked for if it is whole.
_SHORT = 2_000


def refuse_broken(operation_model: OperationModel, response_dict: Mapping[str, Any], **_: Any) -> None:
    """Handle botocore's ``before-parse``: look at a body before it is parsed.

    Raises:
        ResponseParserError: The body is JSON cut short, no JSON object, or holds nothing that the operation answers
            with.
    """
    shape = operation_model.output_shape
    spoken = operation_model.service_model.resolved_protocol
    if spoken not in (*_JSON, *_XML) or response_dict["status_code"] >= _ERRORS or shape is None:
        return
    named = _named(shape, spoken)
    if not named or operation_model.has_event_stream_output:
        return
    if not (_whole if spoken in _JSON else _of_members)(response_dict["body"], named):
        raise ResponseParserError(f"{operation_model.name} was answered with what is not a whole answer")


def _named(shape: Shape, spoken: str) -> set[str]:
    """Return what the members of an answer are called in its body, nothing if the body has a form of its own."""
    if isinstance(shape, StructureShape) and "payload" in shape.serialization and spoken not in _JSON:
        shape = shape.members[shape.serialization["payload"]]
    if not isinstance(shape, StructureShape) or "payload" in shape.serialization:
        return set()
    members = {name: each for name, each in shape.members.items() if "location" not in each.serialization}
    return {_name(name, each) for name, each in members.items()}


def _name(name: str, member: Shape) -> str:
    flat = member.member if isinstance(member, ListShape) and member.serialization.get("flattened") else member
    return str(flat.serialization.get("name", member.serialization.get("name", name)))


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


def _of_members(body: bytes, named: set[str]) -> bool:
    """Return whether XML has nothing in it, or something that belongs there; what is broken botocore sees itself."""
    if not body.strip():
        return False
    if len(body) > _SHORT:
        return True
    try:
        root = ET.fromstring(body)  # noqa: S314 - botocore parses it the same way at once
    except ET.ParseError:
        return True
    found = {child.tag.rpartition("}")[2] for child in root}
    return not found or root.tag == "Error" or not named.isdisjoint(found)
