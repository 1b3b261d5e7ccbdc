"""Values of an Automation run: their text form, how they compare, what absence means, and how types convert.

Branches, assertions, waits, references, outputs and parameters all use these rules, so that one value never has two
forms. The rules are those of the Systems Manager user guide:

- ``automation-action-assertAwsResourceProperty``: a Boolean in ``DesiredValues`` has a capital, ``True`` or ``False``.
- ``automation-branch-condition``: the operators, and that a variable without a value makes no operator true.
- ``automation-action-outputs-inputs``: the types of an output.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from cloudops_nb.errors import PlaybookError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Absence(Enum):
    """The type of :data:`ABSENT`."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


#: The value of an output that AWS's answer lacks.
ABSENT: Final = Absence.ABSENT

#: The types of outputs and variables, and the base types of parameters.
BASE_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "String": str,
    "StringList": list,
    "Boolean": bool,
    "Integer": int,
    "MapList": list,
    "StringMap": dict,
}
#: The longest integers that any AWS API takes have 19 digits; Python reads very long ones slowly or not at all.
_INTEGER = re.compile(r"-?[0-9]{1,19}")
#: As in ``AWS::EC2::Instance::Id``; no type has fewer parts.
_PARTS_OF_A_TYPE = 4
_TRUTH = {"true": True, "false": False}
#: The spelling of Booleans in ``DesiredValues``.
_CAPITAL = {"True": True, "False": False}


def as_text(value: Any) -> str:
    """Return the form that a value has inside text: ``true`` for a Boolean, JSON for lists and maps."""
    match value:
        case str():
            return value
        case None | Absence.ABSENT:
            return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def is_desired(found: Any, desired: Any) -> bool:
    """Return whether a property is a value of ``DesiredValues``.

    A Boolean is the Boolean or its name with a capital; text with a small letter is not it. Numbers and text compare by
    their text form, lists and maps by their content. An absent property is never desired.
    """
    if found is ABSENT or found is None:
        return False
    if isinstance(found, bool):
        return (_CAPITAL.get(desired) if isinstance(desired, str) else desired) is found
    if isinstance(found, list | dict) or isinstance(desired, list | dict):
        return bool(found == desired)
    return as_text(found) == as_text(desired)


def are_desired(found: Any, desired: Any) -> bool:
    """Return whether a selected property is desired: the value itself, or, of a list, each of its items.

    An empty list is not desired, because then nothing has the desired value.
    """
    wanted = desired if isinstance(desired, list) else [desired]

    def desired_one(value: Any) -> bool:
        return any(is_desired(value, each) for each in wanted)

    return desired_one(found) or (isinstance(found, list) and bool(found) and all(map(desired_one, found)))


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return _TRUTH.get(value.lower()) if isinstance(value, str) else None


def _number(value: Any) -> Decimal:
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(as_text(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise PlaybookError("a numeric operator compares numbers", "one of its two values is not a number")
    return number


def _string_equals(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return _boolean(left) is _boolean(right) and _boolean(left) is not None
    return as_text(left) == as_text(right)


def _boolean_equals(left: Any, right: Any) -> bool:
    if (one := _boolean(left)) is None or (other := _boolean(right)) is None:
        raise PlaybookError("BooleanEquals compares Booleans", "one of its two values is neither true nor false")
    return one is other


#: The operators of a condition, by name: automation-branch-condition, "Creating an aws:branch step in a runbook".
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "StringEquals": _string_equals,
    "EqualsIgnoreCase": lambda left, right: as_text(left).casefold() == as_text(right).casefold(),
    "StartsWith": lambda left, right: as_text(left).startswith(as_text(right)),
    "EndsWith": lambda left, right: as_text(left).endswith(as_text(right)),
    "Contains": lambda left, right: as_text(right) in as_text(left),
    "NumericEquals": lambda left, right: _number(left) == _number(right),
    "NumericGreater": lambda left, right: _number(left) > _number(right),
    "NumericLesser": lambda left, right: _number(left) < _number(right),
    "NumericGreaterOrEquals": lambda left, right: _number(left) >= _number(right),
    "NumericLesserOrEquals": lambda left, right: _number(left) <= _number(right),
    "BooleanEquals": _boolean_equals,
}


def compare(operator: str, left: Any, right: Any) -> bool:
    """Return whether an operator of :data:`OPERATORS` holds; with an absent value none does.

    Raises:
        PlaybookError: A numeric or Boolean operator has a value of another kind.
    """
    if ABSENT in (left, right) or left is None or right is None:
        return False
    return OPERATORS[operator](left, right)


def base_type(name: str) -> str:
    """Return the base type of a parameter type: ``String`` for ``AWS::EC2::Instance::Id``, ``StringList`` for a list.

    A type that is no parameter type at all gives an empty string.
    """
    if name in BASE_TYPES:
        return name
    inner = name.removeprefix("List<").removesuffix(">") if name.startswith("List<") else name
    parts = inner.split("::")
    if parts[0] != "AWS" or len(parts) < _PARTS_OF_A_TYPE or not all(part.isalnum() for part in parts):
        return ""
    return "StringList" if inner != name else "String"


def convert(value: Any, wanted: str) -> Any:
    """Return a value as a base type, or :data:`ABSENT` if it has no form in that type.

    Text that is JSON becomes a list or a map, digits an Integer, ``true`` and ``False`` a Boolean; one text is a list
    of one. Everything has a form as text.
    """
    return ABSENT if value is None or value is ABSENT else _CONVERSIONS[wanted](value)


def _truth(value: Any) -> Any:
    return ABSENT if (truth := _boolean(value)) is None else truth


def _integer(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else ABSENT
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else ABSENT
    return value if isinstance(value, int) and not isinstance(value, bool) else ABSENT


def _string_list(value: Any) -> Any:
    found = _parsed(value, list)
    return [as_text(item) for item in found] if isinstance(found, list) else _list_of_one(found)


def _map_list(value: Any) -> Any:
    found = _parsed(_parsed(value, list), dict)
    found = [found] if isinstance(found, dict) else found
    return found if isinstance(found, list) and all(isinstance(item, dict) for item in found) else ABSENT


def _string_map(value: Any) -> Any:
    found = _parsed(value, dict)
    return found if isinstance(found, dict) else ABSENT


def _list_of_one(value: Any) -> Any:
    return ABSENT if isinstance(value, dict) else [as_text(value)]


def _parsed(value: Any, kind: type[list[Any] | dict[str, Any]]) -> Any:
    """Return text as the list or the map that it is the JSON of; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("[" if kind is list else "{"):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, kind) else value


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "String": as_text,
    "Boolean": _truth,
    "Integer": _integer,
    "StringList": _string_list,
    "MapList": _map_list,
    "StringMap": _string_map,
}
