"""Made-up data of botocore's shapes, and ways to make it say what a selector looks for.

Text holds tokens in place of the item's number, the account and the region; they are filled in when an answer is
written, so that one serialised item serves for thousands.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.model import ListShape, MapShape, StructureShape
from jmespath.visitor import TreeInterpreter

from cloudops_nb.declarations.selectors import _OPTIONS, compiled

if TYPE_CHECKING:
    from botocore.model import Shape

NUMBER, ACCOUNT, REGION, NEXT = "Znumberz", "Zaccountz", "Zregionz", "Znextz"
_OTHER = f"other-{REGION}-{ACCOUNT}-{NUMBER}"
_DEEPEST = 6
_PLAIN = {"timestamp": datetime(2024, 1, 1, tzinfo=UTC), "blob": b"1", "boolean": False, "float": 1.0, "double": 1.0}
_POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
_ACCOUNT_NAMES = re.compile(r"(?i)(owner|account)(id)?$")
_REGION_NAMES = re.compile(r"(?i)^(bucket|aws)?region(name)?$")
_POLICY_NAMES = re.compile(r"(?i)policy(document|text|json)?$|^document$")


def sample(shape: Shape, service: str, name: str = "", depth: int = 0) -> Any:
    """Return data of a shape in which every member is there, and every list has one."""
    match shape:
        case StructureShape():
            return _structure(shape, service, depth)
        case ListShape():
            return [sample(shape.member, service, name, depth + 1)] if depth < _DEEPEST else []
        case MapShape():
            keys = getattr(shape.key, "enum", None) or ["key"]
            return {key: sample(shape.value, service, key, depth + 1) for key in keys} if depth < _DEEPEST else {}
    if shape.type_name in ("integer", "long"):
        return max(1, int(shape.metadata.get("min", 1)))
    return _PLAIN[shape.type_name] if shape.type_name in _PLAIN else _text(shape, service, name)


def _structure(shape: StructureShape, service: str, depth: int) -> dict[str, Any]:
    if depth >= _DEEPEST or getattr(shape, "is_document_type", False):
        return {}
    members = dict(shape.members)
    if getattr(shape, "is_tagged_union", False):
        members = dict([next(iter(members.items()))])
    return {
        # An "Arn" says less than the name of what it belongs to.
        name: sample(member, service, f"{shape.name}{name}" if name.lower() == "arn" else name, depth + 1)
        for name, member in members.items()
    }


def _text(shape: Shape, service: str, name: str) -> str:
    if choices := getattr(shape, "enum", None):
        return str(choices[0])
    if _ACCOUNT_NAMES.search(name):
        return ACCOUNT
    if _REGION_NAMES.match(name):
        return REGION
    if _POLICY_NAMES.search(name):
        return _POLICY
    words = "-".join(filter(None, _WORDS.split(name or "text"))).lower()
    text = f"{words}-{REGION}-{ACCOUNT}-{NUMBER}"
    if words.endswith(("arn", "arns")):
        text = f"arn:aws:{service}:{REGION}:{ACCOUNT}:{words.removesuffix('-arn')}/{NUMBER}"
    # What the tokens stand for may be shorter than they are.
    shortest = len(text) - len(NUMBER) - len(ACCOUNT) - len(REGION)
    return text + "0" * max(0, int(shape.metadata.get("min", 0)) - shortest)


def put(selector: str, data: Any, value: Any) -> None:
    """Make a selector find a value in data, by setting the field to which it leads first."""
    _put(compiled(selector).parsed, data, value)


def satisfy(selector: str, page: Any) -> None:
    """Change the items of a page so that the filters of a selector let them pass."""
    _satisfy(compiled(selector).parsed, page)


def filled(data: Any, number: str) -> Any:
    """Return data with a number in the place of its token."""
    if isinstance(data, dict):
        return {key: filled(value, number) for key, value in data.items()}
    if isinstance(data, list):
        return [filled(value, number) for value in data]
    return data.replace(NUMBER, number) if isinstance(data, str) else data


def _found(node: Any, data: Any) -> Any:
    return TreeInterpreter(_OPTIONS).visit(node, data)


def _put(node: dict[str, Any], data: Any, value: Any) -> None:
    children = node["children"]
    match node["type"]:
        case "field":
            for each in data if isinstance(data, list) else [data]:
                each[node["value"]] = value
        case "subexpression":
            if children[0]["type"] == "field" and isinstance(data, dict):
                data.setdefault(children[0]["value"], {})
            _put(children[1], _found(children[0], data), value)
        case "projection" | "filter_projection" | "value_projection":
            _put(children[1], _found(children[0], data), value)
        case "and_expression":
            _fulfil(children[0], data, holds=True)
            _put(children[1], data, value)
        case "or_expression" | "function_expression" | "flatten" | "pipe" | "index_expression":
            _put(children[0], data, value)
        case _:
            raise ValueError(f"cannot put a value at a {node['type']}")


def _satisfy(node: Any, data: Any) -> None:
    if not isinstance(node, dict):
        return
    children = node.get("children", [])
    if node["type"] == "filter_projection":
        _satisfy(children[0], data)
        for item in _found(children[0], data) or ():
            _fulfil(children[2], item, holds=True)
        return
    for child in children:
        if node["type"] in ("projection", "flatten", "pipe", "subexpression", "index_expression"):
            _satisfy(child, data)


def _fulfil(node: dict[str, Any], item: Any, *, holds: bool) -> None:
    """Set the fields of an item so that a condition holds, or does not."""
    children = node["children"]
    match node["type"]:
        case "not_expression":
            _fulfil(children[0], item, holds=not holds)
        case "and_expression" | "or_expression":
            both = (node["type"] == "and_expression") == holds
            for child in children if both else children[:1]:
                _fulfil(child, item, holds=holds)
        case "comparator":
            equal = (node["value"] == "eq") == holds
            wanted = children[1].get("value")
            if (_found(children[0], item) == wanted) != equal:
                _put(children[0], item, wanted if equal else _other(wanted))
        case "function_expression":
            _fulfil_function(node, item, holds=holds)
        case _:
            _put(node, item, holds)


def _fulfil_function(node: dict[str, Any], item: Any, *, holds: bool) -> None:
    first, *others = node["children"]
    literal = others[0].get("value") if others else None
    match node["value"]:
        case "starts_with" | "ends_with":
            _put(first, item, literal if holds else _OTHER)
        case "contains" if first["type"] in ("literal", "multi_select_list"):
            _put(others[0], item, _found(first, item)[0] if holds else _OTHER)
        case "contains":
            _put(first, item, literal if holds else _OTHER)
        case "not_null":
            _put(first, item, holds or None)
        case name:
            raise ValueError(f"cannot make {name} {holds}")


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return None if value is not None and not isinstance(value, str) else _OTHER
