"""Parameters of an Automation document: their types, their limits, and values from outside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloudops_nb.ssm.linear_pattern import linear_pattern
from cloudops_nb.ssm.values import ABSENT, BASE_TYPES, base_type, convert

#: What the items of lists are.
_ITEMS: Mapping[str, type] = {"StringList": str, "MapList": dict}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A document parameter; one without a default is required.

    ``type`` may be a typed one such as ``AWS::EC2::Instance::Id``; its base type is that of its values.
    """

    type: str
    description: str = ""
    default: Any = None
    allowed_values: Sequence[Any] = ()
    allowed_pattern: str = ""
    min_items: int | None = None
    max_items: int | None = None
    min_chars: int | None = None
    max_chars: int | None = None
    min_value: int | None = None
    max_value: int | None = None

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is None

    @property
    def base_type(self) -> str:
        """The type of its values: one of :data:`~cloudops_nb.ssm.values.BASE_TYPES`."""
        return base_type(self.type)

    def convert(self, value: Any) -> Any:
        """Return a given value in the parameter's type; unchanged if it has no form in that type.

        Automation itself receives every value as a list of texts: ["5"] is an Integer and ["true"] a Boolean.
        """
        if isinstance(value, list) and len(value) == 1 and self.base_type in ("String", "Integer", "Boolean"):
            value = value[0]
        if self.base_type == "String" and not isinstance(value, str | int | float):
            return value
        found = convert(value, self.base_type)
        return value if found is ABSENT else found

    def problem(self, value: Any) -> str:
        """Say in a clause why ``value`` does not fit, or return an empty string.

        The default fits, whatever the limits say: Automation does not check it, and its own examples have empty ones.
        The value itself is never repeated. Text with ``{{`` is refused: Systems Manager would read it as a reference.
        """
        expected = BASE_TYPES[self.base_type]
        items = value if isinstance(value, list) else [value]
        kind = _ITEMS.get(self.base_type, object)
        fits = isinstance(value, expected) and all(isinstance(item, kind) for item in items)
        if not fits or (isinstance(value, bool) and self.base_type != "Boolean"):
            return f"is not of type {self.type}"
        if not _is_plain(value):
            return "holds what is not text, a number, a Boolean, a list or a map"
        if _has_reference(value):
            return "holds {{, which starts a reference"
        if self.default is not None and value == self.convert(self.default):
            return ""
        if self.allowed_values and not all(item in self.allowed_values for item in items):
            return f"is not one of {', '.join(map(str, self.allowed_values))}"
        return self._problem_of_size(value) or self._problem_of_pattern(items)

    def _problem_of_size(self, value: Any) -> str:
        if isinstance(value, str):
            size, low, high, unit = len(value), self.min_chars, self.max_chars, " characters"
        elif isinstance(value, list | dict):
            size, low, high, unit = len(value), self.min_items, self.max_items, " items"
        elif isinstance(value, bool):
            return ""
        else:
            return _outside(value, self.min_value, self.max_value)
        if low is not None and size < low:
            return f"has fewer than {low}{unit}"
        if high is not None and size > high:
            return f"has more than {high}{unit}"
        return ""

    def _problem_of_pattern(self, items: Iterable[Any]) -> str:
        if not self.allowed_pattern:
            return ""
        pattern = linear_pattern(self.allowed_pattern)
        fits = all(pattern.fullmatch(text) for text in items if isinstance(text, str))
        return "" if fits else f"does not match {self.allowed_pattern}"


def _outside(value: int, low: int | None, high: int | None) -> str:
    if low is not None and value < low:
        return f"is less than {low}"
    return f"is more than {high}" if high is not None and value > high else ""


def _is_plain(value: Any) -> bool:
    """Return whether a value is JSON data, in which alone a plan can be kept and hashed."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _has_reference(value: Any) -> bool:
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, Mapping):
        return any(map(_has_reference, (*value, *value.values())))
    return isinstance(value, list) and any(map(_has_reference, value))
