"""Makes up answers of AWS: a shape filled with plausible values, in which a selector finds a certain value."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from jsonpath import finditer

from cloudops_nb.ssm.selectors import name_steps
from cloudops_nb.ssm.values import convert
from tests.survey.parameters import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: Members that ask for another page.
_PAGING = re.compile(r"(?i).*(token|marker)$")
_FILTER = re.compile(r"\[\?\(?\s*@\.([\w.]+)\s*==\s*['\"]?([^'\"\])]*)['\"]?\s*\)?\]")
_INDEX = re.compile(r"\[\s*(\d+|\*|[\d:]+)\s*\]")
_SCALARS: dict[str, Any] = {
    "boolean": False,
    "integer": 1,
    "long": 1,
    "float": 1.0,
    "double": 1.0,
    "timestamp": _NOW,
    "blob": b"example",
}


def answer_of(shape: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer in which every member of an output shape is present.

    Args:
        shape: The output shape; ``None`` for an API that answers nothing.
        parameters: Those of the call; a member of the same name has the same value.
    """
    echo = {name.lower(): value for name, value in parameters.items()}
    echo |= {
        name.removesuffix("s"): value[0]
        for name, value in list(echo.items())
        if name.endswith("s") and isinstance(value, list) and value
    }
    found = _filled(shape, "", echo, ()) if shape is not None else {}
    request = {"RequestId": "11111111-2222-4333-8444-555555555555", "HTTPStatusCode": 200}
    return {**found, "ResponseMetadata": request}


def _filled(shape: Any, name: str, echo: Mapping[str, Any], above: tuple[str, ...]) -> Any:
    if shape.name in above:
        return {} if shape.type_name in ("structure", "map") else []
    inside = (*above, shape.name)
    match shape.type_name:
        case "structure":
            members = {each: inner for each, inner in shape.members.items() if not _PAGING.fullmatch(each)}
            if getattr(shape, "is_tagged_union", False):
                members = dict(list(members.items())[:1])
            return {each: _filled(inner, each, echo, inside) for each, inner in members.items()}
        case "list":
            return [_filled(shape.member, name.removesuffix("s"), echo, inside)]
        case "map":
            return {_text(shape.key, "example"): _filled(shape.value, name, echo, inside)}
        case "string":
            given = echo.get(name.lower())
            return given if isinstance(given, str) else _text(shape, name)
    return _SCALARS[shape.type_name]


def _text(shape: Any, name: str) -> str:
    folded = name.lower()
    if shape.enum:
        return str(shape.enum[0])
    if folded.endswith("arn"):
        return f"arn:aws:example:{REGION}:{ACCOUNT}:{folded}/1"
    if folded in ("accountid", "ownerid", "account"):
        return ACCOUNT
    return f"{folded or 'example'}-1"


def place(answer: dict[str, Any], selector: str, value: Any) -> None:
    """Let a selector find a value in an answer; places that are missing are made.

    Of a filter only ``[?(@.member == 'text')]`` is understood: the first item becomes one that it selects.
    """
    value = copy.deepcopy(value)
    for match in _FILTER.finditer(selector):
        place(answer, f"{selector[: match.start()]}[0].{match[1]}", match[2])
    if not _set_everywhere(answer, selector, value):
        _make(answer, selector, value)


def _set_everywhere(answer: dict[str, Any], selector: str, value: Any) -> bool:
    """Set every place that a selector finds; return whether there is one."""
    places = [match.parts for match in finditer(_rooted(selector), answer)]
    for parts in places:
        if not parts:
            answer.update(value if isinstance(value, dict) else {})
            continue
        here: Any = answer
        for part in parts[:-1]:
            here = here[part]
        here[parts[-1]] = _as(value, here[parts[-1]])
    return bool(places)


def _make(answer: dict[str, Any], selector: str, value: Any) -> None:
    """Make the place that a selector names, with a list for each index and a map for each name."""
    plain = _FILTER.sub("[0]", selector)
    numbers = iter([int(text) if text.isdecimal() else 0 for text in _INDEX.findall(plain)])
    steps = [next(numbers, 0) if step == 0 else step or "example" for step in name_steps(plain)]
    here: Any = answer
    for step, following in pairwise([*steps, None]):
        if isinstance(step, int):
            here += [{} for _ in range(step + 1 - len(here))]
        elif following is not None and not isinstance(here.get(step), list if isinstance(following, int) else dict):
            here[step] = [] if isinstance(following, int) else {}
        if following is None:
            here[step] = value
        elif isinstance(step, int) and isinstance(following, str) and not isinstance(here[step], dict):
            here[step] = {}
        here = here[step]


def _rooted(selector: str) -> str:
    text = selector.strip()
    if text.startswith("$"):
        return text
    return f"${text}" if text.startswith((".", "[")) else f"$.{text}"


def _as(value: Any, old: Any) -> Any:
    """Return a value in the type of the one that it replaces, if it has a form in it."""
    if isinstance(old, list) and not isinstance(value, list):
        return [_as(value, old[0] if old else None)]
    for kind, name in ((bool, "Boolean"), (int, "Integer")):
        if isinstance(old, kind) and isinstance(found := convert(value, name), kind):
            return found
    return value
