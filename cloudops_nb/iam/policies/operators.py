"""The condition operators. Each compares one value in a policy with one value in a request.

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

from cloudops_nb.iam.policies.arns import arn_matcher
from cloudops_nb.iam.policies.variables import (
    Template,
    parse_template,
    resolve_variables,
    variable_keys,
    without_variables,
)
from cloudops_nb.iam.policies.wildcards import Pieces, pattern_matcher
from cloudops_nb.iam.truth import Truth, Unknown, unknown

if TYPE_CHECKING:
    from cloudops_nb.iam.context import RequestContext


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """A value in a policy's condition.

    Attributes:
        text: The value as written.
        variables: Whether the policy's version supports variables.
        valueless: The result of the comparison if a variable in ``text`` has no value.
    """

    text: str
    variables: bool
    valueless: Truth


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison with one policy value; ``keys`` are the condition keys of the variables in this value."""

    compare: Callable[[str, RequestContext], Truth]
    keys: frozenset[str] = frozenset()


Operator: TypeAlias = Callable[[PolicyValue], Comparison]
ValueMatcher: TypeAlias = Callable[[str], Truth]
_YEAR_OR_MONTH = re.compile(r"[0-9]{4}(-[0-9]{2})?")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_TRUTH_VALUES = ("false", "true")


def _text_operator(compile_pieces: Callable[[Pieces], ValueMatcher], *, wildcards: bool) -> Operator:
    """Return an operator whose policy values may contain variables; a value without variables is compiled only once."""

    def build(policy_value: PolicyValue) -> Comparison:
        parts: Template = parse_template(policy_value.text, wildcards=wildcards, variables=policy_value.variables)
        used_keys = frozenset(variable_keys(parts))
        if not used_keys:
            matches = compile_pieces(without_variables(parts))
            return Comparison(lambda value, _context: matches(value))

        def compare(value: str, context: RequestContext) -> Truth:
            resolved = resolve_variables(parts, context)
            if resolved is None or isinstance(resolved, Unknown):
                return policy_value.valueless if resolved is None else resolved
            return compile_pieces(resolved)(value)

        return Comparison(compare, used_keys)

    return build


def _text_equals(pieces: Pieces) -> ValueMatcher:
    return "".join(str(piece) for piece in pieces).__eq__


def _text_equals_ignoring_case(pieces: Pieces) -> ValueMatcher:
    policy_text = "".join(str(piece) for piece in pieces).lower()
    return lambda value: value.lower() == policy_text


def _boolean_equals(pieces: Pieces) -> ValueMatcher:
    policy_text = "".join(str(piece) for piece in pieces).strip().lower()
    if policy_text not in _TRUTH_VALUES:
        return lambda _value: unknown(f"{policy_text[:40]!r} in a condition is neither true nor false")

    def matches(value: str) -> Truth:
        text = value.strip().lower()
        if text not in _TRUTH_VALUES:
            return unknown(f"{text[:40]!r} in the request is neither true nor false")
        return text == policy_text

    return matches


def _parsed_operator(
    parse_policy: Callable[[str], Any],
    compare_values: Callable[[Any, Any], bool],
    *,
    parse_request: Callable[[str], Any] | None = None,
) -> Operator:
    """Return an operator that parses both values; its result is unknown if one of them cannot be parsed.

    Args:
        parse_policy: Parses the value in the policy.
        compare_values: Compares two parsed values: first the one in the request, then the one in the policy.
        parse_request: Parses the value in the request; by default the same function as ``parse_policy``.
    """

    def build(policy_value: PolicyValue) -> Comparison:
        right = _parse_or_none(parse_policy, policy_value.text)
        if right is None:
            reason = f"{policy_value.text[:40]!r} in a condition cannot be read"
            return Comparison(lambda _value, _context: unknown(reason))

        def compare(value: str, _context: RequestContext) -> Truth:
            left = _parse_or_none(parse_request or parse_policy, value)
            if left is None:
                return unknown(f"{value[:40]!r} in the request cannot be read")
            return compare_values(left, right)

        return Comparison(compare)

    return build


def _parse_or_none(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except (ValueError, ArithmeticError):
        return None


def _parse_number(text: str) -> Decimal:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return Decimal(text)


def _parse_instant(text: str) -> float:
    """Return the seconds since the epoch; the text is a number of seconds or an ISO 8601 date, by default in UTC."""
    text = text.strip()
    if _YEAR_OR_MONTH.fullmatch(text):
        text += "-01-01"[len(text) - 4 :]
    elif _NUMBER.fullmatch(text):
        return float(text)
    when = datetime.fromisoformat(text)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _parse_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None


def _parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    _, slash, prefix = text.strip().partition("/")
    if slash and not prefix.isdecimal():
        # After the slash, Python also accepts a mask such as 255.255.0.0, which is not CIDR notation.
        raise ValueError
    return ipaddress.ip_network(text.strip(), strict=False)


def _address_in_network(left: Any, right: Any) -> bool:
    return left in right


_ORDER = {
    "equals": operator.eq,
    "lessthan": operator.lt,
    "lessthanequals": operator.le,
    "greaterthan": operator.gt,
    "greaterthanequals": operator.ge,
}
_ARN = _text_operator(arn_matcher, wildcards=True)
#: The operators that hold if any value in the policy matches, by name in lower case.
OPERATORS: dict[str, Operator] = {
    "stringequals": _text_operator(_text_equals, wildcards=False),
    "stringequalsignorecase": _text_operator(_text_equals_ignoring_case, wildcards=False),
    "stringlike": _text_operator(pattern_matcher, wildcards=True),
    "arnequals": _ARN,
    "arnlike": _ARN,
    "bool": _text_operator(_boolean_equals, wildcards=False),
    "binaryequals": _parsed_operator(_parse_base64, operator.eq),
    "ipaddress": _parsed_operator(_parse_network, _address_in_network, parse_request=ipaddress.ip_address),
    **{f"numeric{name}": _parsed_operator(_parse_number, compare_values) for name, compare_values in _ORDER.items()},
    **{f"date{name}": _parsed_operator(_parse_instant, compare_values) for name, compare_values in _ORDER.items()},
}
#: The operators that hold if no value in the policy matches, each with the operator that it negates.
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
