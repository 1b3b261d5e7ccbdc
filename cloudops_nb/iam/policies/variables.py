"""Variables in policies: ``${key}``, ``${key, 'default'}``, and the escapes ``${*}``, ``${?}`` and ``${$}``.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cloudops_nb.iam.policies.wildcards import Pieces, Wildcard, split_pattern
from cloudops_nb.iam.truth import Unknown, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.iam.context import RequestContext

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"\s*'(.*)'\s*", re.DOTALL)
_ESCAPES = frozenset("*?$")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, which is replaced by the value of a condition key in the request.

    Attributes:
        key: The condition key in lower case.
        name: The condition key as written in the policy.
        default: The value if the key is absent; ``None`` if the variable has no default.
    """

    key: str
    name: str
    default: str | None = None


#: A text of a policy, split into pieces: literal text, wildcards and variables.
Template: TypeAlias = tuple[str | Wildcard | Variable, ...]


def parse_template(text: str, *, wildcards: bool, variables: bool) -> Template:
    """Split a text of a policy into literal text, wildcards and variables.

    Args:
        text: The text as written in the policy.
        wildcards: Whether ``*`` and ``?`` in the text are wildcards.
        variables: Whether the policy's version supports variables.
    """
    parts = _VARIABLE.split(text) if variables else [text]
    return tuple(
        piece
        for number, part in enumerate(parts)
        for piece in (_literal_pieces(part, wildcards=wildcards) if number % 2 == 0 else (_variable_or_escape(part),))
    )


def _literal_pieces(text: str, *, wildcards: bool) -> Pieces:
    if wildcards:
        return split_pattern(text)
    return (text,) if text else ()


def _variable_or_escape(text: str) -> str | Variable:
    if text in _ESCAPES:
        return text
    name, _, rest = text.partition(",")
    default = _DEFAULT.fullmatch(rest)
    return Variable(name.strip().lower(), name.strip(), default[1] if default else None)


def resolve_variables(parts: Template, context: RequestContext) -> Pieces | Unknown | None:
    """Return the pieces with each variable replaced by its value; ``None`` if a variable has no value."""
    found: list[str | Wildcard] = []
    for part in parts:
        if not isinstance(part, Variable):
            found.append(part)
            continue
        value = _variable_value(part, context)
        if not isinstance(value, str):
            return value
        found.append(value)
    return tuple(found)


def _variable_value(variable: Variable, context: RequestContext) -> str | Unknown | None:
    possible = context.state(variable.key).possible
    if possible is None or len(possible) != 1 or len(possible[0]) > 1:
        return unknown(f"the value of ${{{variable.name}}} is not known")
    value = possible[0][0] if possible[0] else variable.default
    if value is not None and ("*" in value or "?" in value):
        return unknown(f"the value of ${{{variable.name}}} contains a wildcard")
    return value


def variable_keys(parts: Template) -> Iterator[str]:
    """Yield the condition keys of a text's variables, in lower case."""
    return (part.key for part in parts if isinstance(part, Variable))


def without_variables(parts: Template) -> Pieces:
    """Return the pieces that are not variables. For a text without variables, this only narrows the type."""
    return tuple(part for part in parts if not isinstance(part, Variable))
