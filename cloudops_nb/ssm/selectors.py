"""JSONPath selectors of step outputs, property assertions and fingerprints (RFC 9535, by python-jsonpath)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from cloudops_nb.errors import PlaybookError

if TYPE_CHECKING:
    from jsonpath import JSONPath
    from jsonpath.segments import JSONPathSegment


def select(selector: str, data: Any) -> Any:
    """Take a value out of an API's answer.

    A selector that can name one place only, such as ``$.DBInstances[0].DBInstanceStatus``, gives the value there,
    ``None`` if there is none. One with ``[*]``, a slice, a filter or ``..`` gives the list of its matches, perhaps
    empty.

    Raises:
        PlaybookError: The selector is not a JSONPath, or cannot be followed in this answer.
    """
    from jsonpath import JSONPathError

    path = _compiled(selector)
    try:
        found = [match.obj for match in path.finditer(data)]
    except JSONPathError as error:
        what = "a selector cannot be followed in the answer"
        raise PlaybookError(what, str(error.args[0]) if error.args else "") from None
    if path.singular_query():
        return found[0] if found else None
    return found


def check_selector(selector: str) -> None:
    """Raise :class:`PlaybookError` unless ``selector`` is a JSONPath."""
    _compiled(selector)


def name_steps(selector: str) -> tuple[str | int | None, ...]:
    """Return a selector's steps from the root: a member's name, 0 for elements of a list, ``None`` for anything else.

    ``[*]`` and slices are steps to elements of a list, although ``[*]`` may be one to all members of an object.

    Raises:
        PlaybookError: The selector is not a JSONPath.
    """
    return tuple(map(_name_step, _compiled(selector).segments))


def _name_step(segment: JSONPathSegment) -> str | int | None:
    from jsonpath.segments import JSONPathChildSegment
    from jsonpath.selectors import IndexSelector, NameSelector, SliceSelector, WildcardSelector

    if not isinstance(segment, JSONPathChildSegment) or len(segment.selectors) != 1:
        return None
    only = segment.selectors[0]
    if isinstance(only, NameSelector):
        return only.name
    return 0 if isinstance(only, IndexSelector | SliceSelector | WildcardSelector) else None


def project(projection: Mapping[str, str], data: Any) -> dict[str, Any]:
    """Return a fingerprint: each field of ``projection`` selected from ``data``.

    AWS promises no order for the lists it answers with, so lists are sorted: another order is not drift.
    """
    return {field: _ordered(select(selector, data)) for field, selector in projection.items()}


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _ordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted(map(_ordered, value), key=lambda item: json.dumps(item, sort_keys=True, default=str))
    return value


def _rooted(selector: str) -> str:
    """Return a selector that starts at the root; public documents also write ``Reservations[0]`` and ``.Stacks[0]``."""
    text = selector.strip()
    if text.startswith("$") or not text:
        return text
    return f"${text}" if text.startswith((".", "[")) else f"$.{text}"


@cache
def _compiled(selector: str) -> JSONPath:
    from jsonpath import JSONPathEnvironment, JSONPathError

    try:
        # Strict mode is RFC 9535 alone: it has no compound paths, the other type that compile could return.
        return cast("JSONPath", JSONPathEnvironment(strict=True).compile(_rooted(selector)))
    except JSONPathError as error:
        # Not str(error): it draws a picture of the text, and fails on an empty one.
        reason = str(error.args[0]) if error.args else ""
        raise PlaybookError(
            f"{selector!r} is not a JSONPath", reason, "It starts at $, as in $.Instances[0].Name."
        ) from None
