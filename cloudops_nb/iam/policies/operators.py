"""The comparisons of condition operators: one value of a policy with one of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from cloudops_nb.iam.policies.arns import arn_like
from cloudops_nb.iam.policies.variables import Template, keys, resolved, template, without_variables
from cloudops_nb.iam.policies.wildcards import Pieces, matcher
from cloudops_nb.iam.truth import Truth, Unknown, unknown

if TYPE_CHECKING:
    from cloudops_nb.iam.context import Context


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value that a condition compares with, whether it has variables, and what comes of one without a value."""

    text: str
    variables: bool
    valueless: Truth


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares a request's value with the policy's; ``keys`` are those that the policy's value has variables of."""

    of: Callable[[str, Context], Truth]
    keys: frozenset[str] = frozenset()


Operator: TypeAlias = Callable[[Wanted], Comparison]
Matches: TypeAlias = Callable[[str], Truth]
_YEAR_OR_MONTH = re.compile(r"[0-9]{4}(-[0-9]{2})?")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_TRUTH_VALUES = ("false", "true")


def _with_variables(compiled: Callable[[Pieces], Matches], *, wildcards: bool) -> Operator:
    """Return an operator whose values may have variables; those without are compiled once."""

    def build(wanted: Wanted) -> Comparison:
        parts: Template = template(wanted.text, wildcards=wildcards, variables=wanted.variables)
        used = frozenset(keys(parts))
        if not used:
            matches = compiled(without_variables(parts))
            return Comparison(lambda value, _context: matches(value))

        def of(value: str, context: Context) -> Truth:
            found = resolved(parts, context)
            if found is None or isinstance(found, Unknown):
                return wanted.valueless if found is None else found
            return compiled(found)(value)

        return Comparison(of, used)

    return build


def _equal(found: Pieces) -> Matches:
    return "".join(str(piece) for piece in found).__eq__


def _equal_in_any_case(found: Pieces) -> Matches:
    wanted = "".join(str(piece) for piece in found).lower()
    return lambda value: value.lower() == wanted


def _same_truth_value(found: Pieces) -> Matches:
    wanted = "".join(str(piece) for piece in found).strip().lower()
    if wanted not in _TRUTH_VALUES:
        return lambda _value: unknown(f"{wanted[:40]!r} in a condition is neither true nor false")
    return lambda value: value.strip().lower() == wanted


def _read(
    reading: Callable[[str], Any], compare: Callable[[Any, Any], bool], *, given: Callable[[str], Any] | None = None
) -> Operator:
    """Return an operator whose values have to be read; what cannot be read is compared with nothing.

    Args:
        reading: Reads a policy's value.
        compare: Compares a request's value with a policy's.
        given: Reads a request's value, if that has another form.
    """

    def build(wanted: Wanted) -> Comparison:
        right = _attempt(reading, wanted.text)
        if right is None:
            return Comparison(lambda _value, _context: unknown(f"{wanted.text[:40]!r} in a condition cannot be read"))

        def of(value: str, _context: Context) -> Truth:
            left = _attempt(given or reading, value)
            return unknown("a condition's key has a value of another kind") if left is None else compare(left, right)

        return Comparison(of)

    return build


def _attempt(reading: Callable[[str], Any], text: str) -> Any:
    try:
        return reading(text)
    except (ValueError, ArithmeticError):
        return None


def _number(text: str) -> Decimal:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return Decimal(text)


def _instant(text: str) -> float:
    """Return seconds of the epoch, from those or from a date of ISO 8601."""
    text = text.strip()
    if _YEAR_OR_MONTH.fullmatch(text):
        text += "-01-01"[len(text) - 4 :]
    elif _NUMBER.fullmatch(text):
        return float(text)
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    _, slash, prefix = text.strip().partition("/")
    if slash and not prefix.isdecimal():
        # Python also takes masks, which are no CIDR notation.
        raise ValueError
    return ipaddress.ip_network(text.strip(), strict=False)


def _inside(left: Any, right: Any) -> bool:
    return left in right


_ORDER = {
    "equals": operator.eq,
    "lessthan": operator.lt,
    "lessthanequals": operator.le,
    "greaterthan": operator.gt,
    "greaterthanequals": operator.ge,
}
_ARN = _with_variables(arn_like, wildcards=True)
#: The operators that hold if any value matches, by name in lower case.
OPERATORS: dict[str, Operator] = {
    "stringequals": _with_variables(_equal, wildcards=False),
    "stringequalsignorecase": _with_variables(_equal_in_any_case, wildcards=False),
    "stringlike": _with_variables(matcher, wildcards=True),
    "arnequals": _ARN,
    "arnlike": _ARN,
    "bool": _with_variables(_same_truth_value, wildcards=False),
    "binaryequals": _read(_binary, operator.eq),
    "ipaddress": _read(_network, _inside, given=ipaddress.ip_address),
    **{f"numeric{name}": _read(_number, compare) for name, compare in _ORDER.items()},
    **{f"date{name}": _read(_instant, compare) for name, compare in _ORDER.items()},
}
#: Those that hold if no value matches, by the name of their opposite.
NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "notipaddress": "ipaddress",
}
