"""Refuses incomplete or foreign answers, which botocore would parse as empty ones.

botocore turns a body that is not valid JSON into an empty answer, and so it does with any well-formed XML of a service
whose answers have no wrapper element. Such bodies come from a cut connection, or from a proxy that answers in the
service's place; a scan would read them as "no resources".
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
_FIRST_ERROR_STATUS = 300
#: Bytes above which a complete body is trusted to have an expected member.
_FULLY_CHECKED_BYTES = 2_000


def refuse_incomplete_answer(operation_model: OperationModel, response_dict: Mapping[str, Any], **_: Any) -> None:
    """Handle botocore's ``before-parse``: check a successful answer's body before botocore parses it.

    Raises:
        ResponseParserError: The body is cut short, is no JSON object, or has no member of the operation's answer.
    """
    shape = operation_model.output_shape
    protocol = operation_model.service_model.resolved_protocol
    if protocol not in (*_JSON, *_XML) or response_dict["status_code"] >= _FIRST_ERROR_STATUS or shape is None:
        return
    named = _expected_names(shape, protocol)
    if not named or operation_model.has_event_stream_output:
        return
    if not (_is_expected_json if protocol in _JSON else _is_expected_xml)(response_dict["body"], named):
        raise ResponseParserError(f"{operation_model.name} returned an incomplete response")


def _expected_names(shape: Shape, protocol: str) -> set[str]:
    """Return the names of an answer's members in its body; empty if the operation defines the body's form."""
    if isinstance(shape, StructureShape) and "payload" in shape.serialization and protocol not in _JSON:
        shape = shape.members[shape.serialization["payload"]]
    if not isinstance(shape, StructureShape) or "payload" in shape.serialization:
        return set()
    members = {name: each for name, each in shape.members.items() if "location" not in each.serialization}
    return {_wire_name(name, each) for name, each in members.items()}


def _wire_name(name: str, member: Shape) -> str:
    flat = member.member if isinstance(member, ListShape) and member.serialization.get("flattened") else member
    return str(flat.serialization.get("name", member.serialization.get("name", name)))


def _is_expected_json(body: bytes, named: set[str]) -> bool:
    # Parsing a long body twice is slow, so accept one with as many opening as closing braces; a text in the answer may
    # hold an unpaired brace, so parse the body if the counts differ.
    text = body.strip()
    enclosed = text.startswith(b"{") and text.endswith(b"}")
    if enclosed and len(text) > _FULLY_CHECKED_BYTES and text.count(b"{") == text.count(b"}"):
        return True
    try:
        data = json.loads(text) if enclosed else None
    except ValueError:
        return False
    return isinstance(data, dict) and (not data or not named.isdisjoint(data))


def _is_expected_xml(body: bytes, named: set[str]) -> bool:
    """Return whether an XML body has an expected element or no elements; botocore itself refuses malformed XML."""
    if not body.strip():
        return False
    if len(body) > _FULLY_CHECKED_BYTES:
        return True
    try:
        root = ET.fromstring(body)  # noqa: S314 - botocore parses it the same way at once
    except ET.ParseError:
        return True
    found = {child.tag.rpartition("}")[2] for child in root}
    return not found or root.tag == "Error" or not named.isdisjoint(found)
