"""A strict JSON reader that keeps the line and column of every value, like :mod:`.located_yaml` for YAML.

The standard library reads the data. It keeps no positions, so these come from YAML's reader: after tabs and escape
sequences are replaced by as many plain characters, JSON text is YAML with every value at the same place.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import yaml

from cloudops_nb.declarations.located_yaml import (
    MAX_DEPTH,
    LocatedYaml,
    Path,
    Problem,
    checked_text,
    invalid,
    line_and_column,
    position,
)

_HALF_PAIR = re.compile("[\ud800-\udfff]")
_NO_CHARACTER = "half of a surrogate pair is no character: remove it"
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key which is given twice stays visible."""


def is_json(text: str) -> bool:
    """Return whether a text is meant as JSON: it starts with a brace."""
    return text.lstrip("\ufeff \t\r\n").startswith("{")


def read_json(text: str, source: str) -> LocatedYaml:
    """Read one JSON document.

    Args:
        text: The document.
        source: The document's name in error texts.

    Raises:
        PlaybookError: The text is not JSON, is too large or nested too deep, or gives a key twice.
    """
    text = checked_text(text, source)
    _require_depth(text, source)
    try:
        data = json.loads(text, object_pairs_hook=_Object, parse_constant=_no_constant, parse_float=_number)
    except json.JSONDecodeError as error:
        raise invalid(source, [Problem(error.lineno, error.colno, f"is not JSON: {error.msg}")]) from None
    except ValueError as error:
        raise invalid(source, [Problem(1, 1, f"is not JSON: {error}")]) from None
    problems: list[Problem] = []
    positions: dict[Path, tuple[int, int]] = {}
    built = _build(data, _node(text), (), positions, problems)
    if problems:
        raise invalid(source, problems)
    return LocatedYaml(source, built, positions)


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _require_depth(text: str, source: str) -> None:
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
        if depth > MAX_DEPTH:
            place = line_and_column(text, match.start())
            raise invalid(source, [Problem(*place, f"is nested deeper than {MAX_DEPTH} levels")])


def _node(text: str) -> yaml.Node | None:
    """Return the YAML node of the same shape; ``None`` if YAML cannot read it, such as a key of 1,024 characters."""
    plain = _ESCAPE.sub("xx", text.replace("\t", " "))
    try:
        return yaml.compose(plain, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return None


def _build(
    value: Any, node: yaml.Node | None, path: Path, positions: dict[Path, tuple[int, int]], problems: list[Problem]
) -> Any:
    positions[path] = position(node) if node else positions.get(path[:-1], (1, 1))
    parts = node.value if isinstance(node, yaml.CollectionNode) else []
    if isinstance(value, _Object):
        built: dict[str, Any] = {}
        for index, (key, item) in enumerate(value):
            key_node, item_node = parts[index] if index < len(parts) else (None, None)
            place = position(key_node) if key_node else positions[path]
            if key in built:
                problems.append(Problem(*place, f"key {key} is given twice"))
            if _HALF_PAIR.search(key):
                problems.append(Problem(*place, _NO_CHARACTER))
            built[key] = _build(item, item_node, (*path, key), positions, problems)
            if key_node is not None:
                positions[*path, key] = position(key_node)
        return built
    if isinstance(value, list):
        nodes = [*parts, *[None] * (len(value) - len(parts))]
        return [_build(item, nodes[index], (*path, index), positions, problems) for index, item in enumerate(value)]
    if isinstance(value, str) and _HALF_PAIR.search(value):
        problems.append(Problem(*positions[path], _NO_CHARACTER))
    return value
