"""Whether a selector can take a secret out of an API's answer, by botocore's model of the answer.

AWS marks members of its models as sensitive; ``sensitive_members.yaml`` names further ones. Nothing is called: the
question is what an answer may hold, so that an output is known to be secret before its step runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.ssm.api_models import operation_model
from cloudops_nb.ssm.selectors import name_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import Shape

#: What botocore itself adds to an answer: identifiers and headers of the response.
_RESPONSE_METADATA = "ResponseMetadata"


def selects_sensitive(service: str, api: str, selector: str, *, model: Any = None) -> bool:
    """Say whether what ``selector`` takes out of an answer is, holds or may be a sensitive member.

    Lists are followed whatever elements are taken. A filter, ``..``, or a name that the model lacks is not followed:
    anything below the member that was reached counts, as all answers of an API that botocore does not know do.

    Args:
        service: botocore's service name.
        api: The operation.
        selector: A JSONPath, as of a step's output.
        model: botocore's model of the service, if a client has it; read from botocore's files if not given.

    Raises:
        PlaybookError: The selector is not a JSONPath.
    """
    steps = name_steps(selector)
    if model is not None and api in model.operation_names:
        operation = model.operation_model(api)
    else:
        operation = operation_model(service, api)
    if operation is None:
        return True
    if operation.output_shape is None or steps[:1] == (_RESPONSE_METADATA,):
        return False
    names = _sensitive_names(service)
    shape: Shape = operation.output_shape
    for step in steps:
        if _is_sensitive(shape):
            return True
        below = _step_into(shape, step)
        if below is None:
            break
        if isinstance(step, str) and shape.type_name == "structure" and step.casefold() in names:
            return True
        shape = below
    return _holds_sensitive(shape, names)


def _step_into(shape: Any, step: str | int | None) -> Shape | None:
    """Return the shape below, or ``None`` if the step does not lead to a single one."""
    if shape.type_name == "structure" and isinstance(step, str):
        return shape.members.get(step)  # type: ignore[no-any-return]
    if shape.type_name == "list" and isinstance(step, int):
        return shape.member  # type: ignore[no-any-return]
    if shape.type_name == "map" and isinstance(step, str):
        return shape.value  # type: ignore[no-any-return]
    return None


def _holds_sensitive(top: Shape, names: frozenset[str]) -> bool:
    waiting, seen = [top], set()
    while waiting:
        shape = waiting.pop()
        if _is_sensitive(shape):
            return True
        if shape.name in seen:
            continue
        seen.add(shape.name)
        if any(name.casefold() in names for name in getattr(shape, "members", ())):
            return True
        waiting += _below(shape)
    return False


def _below(shape: Any) -> Iterator[Shape]:
    if shape.type_name == "structure":
        yield from shape.members.values()
    elif shape.type_name == "list":
        yield shape.member
    elif shape.type_name == "map":
        yield shape.key
        yield shape.value


def _is_sensitive(shape: Any) -> bool:
    return bool(shape.metadata.get("sensitive"))


def _sensitive_names(service: str) -> frozenset[str]:
    table = bundled_table(__package__, "sensitive_members.yaml")
    return frozenset(name.casefold() for name in (*table["names"], *table["services"].get(service, ())))
