"""The types of a declaration's fields, each with the check that a value is one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated

from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, Field

from cloudops_nb.aws.error_states import is_failure
from cloudops_nb.declarations.selectors import compiled
from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What an ARN template and a reason may name.
TEMPLATE_NAMES = ("partition", "region", "account_id", "identifier", "name", "state")


@cache
def relation_kinds() -> Mapping[str, str]:
    """Return every kind of link, with what the one that has it says of the other."""
    kinds: dict[str, str] = bundled_table(__package__, "relation_kinds.yaml")
    return kinds


def _is_selector(text: str) -> str:
    try:
        compiled(text)
    except JMESPathError as error:
        raise ValueError(f"{text!r} is no JMESPath: {' '.join(str(error).split())}") from None
    return text


def _is_template(text: str) -> str:
    try:
        text.format(**dict.fromkeys(TEMPLATE_NAMES, ""))
    except (KeyError, ValueError, IndexError):
        raise ValueError(f"{text!r} may name only {', '.join(TEMPLATE_NAMES)} in braces") from None
    return text


def _tells_absence(code: str) -> str:
    if is_failure(code):
        raise ValueError(f"{code} is a refusal: it does not say that nothing is there")
    return code


def known_kind(kind: str) -> str:
    """Return a kind of link.

    Raises:
        ValueError: There is no such kind; the nearest is named.
    """
    if kind not in relation_kinds():
        hint = did_you_mean(kind, relation_kinds())
        raise ValueError(f"there is no kind of relation {kind}" + (f", {hint}" if hint else ""))
    return kind


Selector = Annotated[str, Field(min_length=1), AfterValidator(_is_selector)]
Template = Annotated[str, AfterValidator(_is_template)]
#: One of the kinds in ``relation_kinds.yaml``.
RelationKind = Annotated[str, AfterValidator(known_kind)]
#: A code that tells of absence; never one by which AWS refuses to tell.
AbsenceCode = Annotated[str, AfterValidator(_tells_absence)]
Operation = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]+$")]
