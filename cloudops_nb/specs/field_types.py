"""The types of the fields in declarations, with the checks that pydantic runs on their values."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated

from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, Field

from cloudops_nb.aws.error_states import is_refusal_code
from cloudops_nb.declarations.selectors import compiled
from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The names that an ARN template or a constraint's reason may contain in braces, such as ``{region}``.
_TEMPLATE_NAMES = ("partition", "region", "account_id", "identifier", "name", "state")


@cache
def relation_kinds() -> Mapping[str, str]:
    """Return the meaning of each kind of relation, such as "is attached to it"; "it" is the other resource."""
    kinds: dict[str, str] = bundled_table(__package__, "relation_kinds.yaml")
    return kinds


def _checked_selector(text: str) -> str:
    try:
        compiled(text)
    except JMESPathError as error:
        raise ValueError(f"{text!r} is not valid JMESPath: {' '.join(str(error).split())}") from None
    return text


def _checked_template(text: str) -> str:
    try:
        text.format(**dict.fromkeys(_TEMPLATE_NAMES, ""))
    except (KeyError, ValueError, IndexError):
        raise ValueError(f"{text!r} may contain only {', '.join(_TEMPLATE_NAMES)} in braces") from None
    return text


def _checked_absence_code(code: str) -> str:
    if is_refusal_code(code):
        raise ValueError(f"{code} means that AWS refused to answer, not that there are no resources")
    return code


def _checked_relation_kind(kind: str) -> str:
    if kind not in relation_kinds():
        hint = did_you_mean(kind, relation_kinds())
        raise ValueError(
            f"unknown kind of relation {kind}" + (f"; {hint}" if hint else "; relation_kinds.yaml lists them")
        )
    return kind


Selector = Annotated[str, Field(min_length=1), AfterValidator(_checked_selector)]
Template = Annotated[str, AfterValidator(_checked_template)]
#: One of the kinds in ``relation_kinds.yaml``.
RelationKind = Annotated[str, AfterValidator(_checked_relation_kind)]
#: An error code that can mean that something does not exist. A code that means a refusal is not accepted.
AbsenceCode = Annotated[str, AfterValidator(_checked_absence_code)]
Operation = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]+$")]
