"""Refuses response bodies that botocore would parse as an empty response, although the service sent no empty response.

botocore turns a body that is not valid JSON into an empty response. It does the same with well-formed XML that lacks
the expected elements, if the service's responses have no wrapper element. These bodies come from a connection that was
cut, or from a proxy that replies instead of the service. A scan would read them as "no resources".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from botocore.model import ListShape, StructureShape

from cloudops_nb.aws.fast_botocore.door import ParserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel, Shape

_JSON, _XML = ("json", "rest-json"), ("rest-xml",)
_FIRST_ERROR_STATUS = 300
#: The size, in bytes, up to which a complete body is searched for an expected member. Larger ones would take too long.
_FULLY_CHECKED_BYTES = 2_000


def refuse_incomplete_answer(operation_model: OperationModel, response_dict: Mapping[str, Any], **_: Any) -> None:
    """Handle botocore's ``before-parse`` event: check the body of a successful response before botocore parses it.

    Raises:
        ParserError: The body is empty, incomplete or not a JSON object, or it has members, but the operation's
            model names none of them.
    """
    shape = operation_model.output_shape
    protocol = operation_model.service_model.resolved_protocol
    if protocol not in (*_JSON, *_XML) or response_dict["status_code"] >= _FIRST_ERROR_STATUS or shape is None:
        return
    expected = _expected_names(shape, protocol)
    if not expected or operation_model.has_event_stream_output:
        return
    if not (_is_expected_json if protocol in _JSON else _is_expected_xml)(response_dict["body"], expected):
        raise ParserError(f"{operation_model.name} returned an incomplete response")


def _expected_names(shape: Shape, protocol: str) -> set[str]:
    """Return the names of the members that the body may have; empty if the whole body is one member (a payload)."""
    if isinstance(shape, StructureShape) and "payload" in shape.serialization and protocol not in _JSON:
        shape = shape.members[shape.serialization["payload"]]
    if not isinstance(shape, StructureShape) or "payload" in shape.serialization:
        return set()
    members = {name: each for name, each in shape.members.items() if "location" not in each.serialization}
    return {_wire_name(name, each) for name, each in members.items()}


def _wire_name(name: str, member: Shape) -> str:
    flat = member.member if isinstance(member, ListShape) and member.serialization.get("flattened") else member
    return str(flat.serialization.get("name", member.serialization.get("name", name)))


def _is_expected_json(body: bytes, expected: set[str]) -> bool:
    # Parsing a long body twice is slow, so accept it if it has as many opening as closing braces. If the counts differ,
    # parse it: a string in it may contain an unpaired brace.
    text = body.strip()
    enclosed = text.startswith(b"{") and text.endswith(b"}")
    if enclosed and len(text) > _FULLY_CHECKED_BYTES and text.count(b"{") == text.count(b"}"):
        return True
    try:
        data = json.loads(text) if enclosed else None
    except ValueError:
        return False
    return isinstance(data, dict) and (not data or not expected.isdisjoint(data))


def _is_expected_xml(body: bytes, expected: set[str]) -> bool:
    """Return whether botocore may parse an XML body: it has an expected element, has no elements, or is an error.

    A malformed body also passes, because botocore itself refuses it. So does a long body: if it was cut off, it is
    malformed.
    """
    if not body.strip():
        return False
    if len(body) > _FULLY_CHECKED_BYTES:
        return True
    try:
        root = ET.fromstring(body)  # noqa: S314 - botocore parses the same body next
    except ET.ParseError:
        return True
    found = {child.tag.rpartition("}")[2] for child in root}
    return not found or root.tag == "Error" or not expected.isdisjoint(found)
