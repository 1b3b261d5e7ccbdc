"""Narrows the list call of a type to a few resources, if the operation takes the identifiers of those that it lists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from cloudops_nb.specs.model import ResourceSpec

_FIELD_AT_THE_END = re.compile(r"(?:^|\.)([A-Za-z]\w*)$")
#: AWS accepts at least so many identifiers in one call. More resources are not worth a second way to read them.
_MOST_IN_A_LIST = 100
#: An operation that takes one identifier is called so often at most.
_MOST_CALLS = 10


def narrowed_parameters(
    spec: ResourceSpec, types: Mapping[str, str], identifiers: AbstractSet[str]
) -> Sequence[Mapping[str, Any]]:
    """Return the parameters of each call that lists only the given resources; none if the operation cannot do that.

    A parameter counts if its name is that of the identifier in an item: ``InstanceIds`` for ``InstanceId``. It may have
    another meaning, so an answer that lacks a resource does not prove that the resource is gone.

    Args:
        spec: The declaration of the type.
        types: The type of each parameter of the type's list operation, in botocore's words.
        identifiers: The identifiers of the resources.
    """
    return next(_candidates(spec, types, sorted(identifiers)), ())


def _candidates(
    spec: ResourceSpec, types: Mapping[str, str], identifiers: Sequence[str]
) -> Iterator[Sequence[Mapping[str, Any]]]:
    field = _FIELD_AT_THE_END.search(spec.identifier)
    if field is None:
        return
    wanted = _folded(field[1])
    for name, kind in types.items():
        if kind == "list" and _folded(name) in (wanted, wanted + "s") and len(identifiers) <= _MOST_IN_A_LIST:
            yield [{name: list(identifiers)}]
        elif kind == "string" and _folded(name) == wanted and len(identifiers) <= _MOST_CALLS:
            yield [{name: each} for each in identifiers]


def _folded(name: str) -> str:
    return name.replace("_", "").casefold()
