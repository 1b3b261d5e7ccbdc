"""Checks the fields of a map against a table of their forms, and says what the right form is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudops_nb.errors import did_you_mean
from cloudops_nb.ssm.references import whole_reference

Found = Iterator[tuple[tuple[str | int, ...], str]]

_SHOWN = 40
_INTEGER = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a field.

    Attributes:
        kind: ``text``, ``boolean``, ``integer``, ``list``, ``map`` or ``any``.
        required: Whether the field must be given.
        reference: Whether a ``{{ reference }}`` may take its place.
        values: The texts that are allowed, in any case of letters; empty for any.
        check: Returns what is wrong with a value of the right kind, empty if nothing is.
        example: The right form, for a message.
    """

    kind: str
    required: bool = False
    reference: bool = False
    values: Sequence[str] = ()
    check: Callable[[Any], str] | None = None
    example: str = ""


def field_problems(data: Any, forms: Mapping[str, Form], what: str) -> Found:
    """Yield the path and the reason of every unknown, missing and malformed field of a map.

    Args:
        data: The map; anything else is one problem.
        forms: The form of each field, by name.
        what: Names the map in messages, as ``a step``.
    """
    if not isinstance(data, Mapping):
        yield (), f"{what} is a map of fields, not {shown(data)}"
        return
    for name in data:
        if name not in forms:
            yield (name,), f"{what} has no field {name}{_suggestion(name, forms)}"
    for name, form in forms.items():
        if data.get(name) is None:
            if form.required:
                yield (), f"{what} needs {name}{_like(form)}"
            continue
        if why := form_problem(data[name], form):
            yield (name,), f"{name} {why}"


def form_problem(value: Any, form: Form) -> str:
    """Say in a clause what is wrong with a value, or return an empty string."""
    if form.reference and whole_reference(value):
        return ""
    fits, right = _KINDS[form.kind]
    if not fits(value):
        return f"is {shown(value)}: write {form.example or right(value)}"
    if form.values and str(value).casefold() not in {each.casefold() for each in form.values}:
        return f"is {shown(value)}: write {' or '.join(form.values)}"
    return form.check(value) if form.check else ""


def truth(value: bool | str) -> bool:
    """Return a Boolean field's value, which may also be the text ``true`` or ``false``."""
    return value if isinstance(value, bool) else value.strip().lower() == "true"


def shown(value: Any) -> str:
    """Return a value for a message, at most a few words of it."""
    match value:
        case bool():
            return str(value).lower()
        case None:
            return "empty"
        case Mapping():
            return "a map"
        case list():
            return "a list"
        case str():
            text = " ".join(value.split())
            return f"'{text[: _SHOWN - 1]}…'" if len(text) > _SHOWN else f"'{text}'"
    return str(value)[:_SHOWN]


def _suggestion(name: str, forms: Mapping[str, Form]) -> str:
    for known in forms:
        if known.casefold() == name.casefold():
            return f": write {known}"
    near = did_you_mean(name, forms)
    return f": {near}" if near else f"; its fields are {', '.join(forms)}"


def _like(form: Form) -> str:
    return f", for example {form.example}" if form.example else ""


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in ("true", "false"))


def _boolean_form(value: Any) -> str:
    if isinstance(value, str):
        return "true" if value.strip().lower() in ("yes", "on", "y", "1") else "false"
    return "true" if value else "false"


def _is_integer(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | str) and bool(_INTEGER.fullmatch(str(value)))


_KINDS: Mapping[str, tuple[Callable[[Any], bool], Callable[[Any], str]]] = {
    "text": (lambda value: isinstance(value, str), lambda value: f"'{value}'" if _is_plain(value) else "text"),
    "boolean": (_is_boolean, _boolean_form),
    "integer": (_is_integer, lambda _: "a whole number"),
    "list": (lambda value: isinstance(value, list), lambda _: "a list"),
    "map": (lambda value: isinstance(value, Mapping), lambda _: "a map"),
    "any": (lambda _: True, lambda _: "a value"),
}


def _is_plain(value: Any) -> bool:
    return isinstance(value, bool | int | float)
