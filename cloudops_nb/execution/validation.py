"""Checks a step's parameters against botocore's model of the API, before anybody is asked to approve it.

Documents give numbers and Booleans as text, and a list of one item where an API takes the item, as the output of a
nested document; Systems Manager converts them to the types of the API, and so does :func:`fitted`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlanError
from cloudops_nb.ssm.values import ABSENT, convert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.execution.plan import Step


#: The types of a document that botocore's scalar types are.
_SCALARS = {"string": "String", "boolean": "Boolean", "integer": "Integer", "long": "Integer"}


def validate_step(step: Step, service_model: Any) -> list[str]:
    """Check one step that calls an API.

    Args:
        step: The step; references that only the run fills in stand for any value of the right type.
        service_model: botocore's model, as ``client.meta.service_model``.

    Returns:
        Warnings: values that the model does not list, which may just be newer than the model.

    Raises:
        PlanError: The API does not exist, or its parameters do not fit.
    """
    from botocore.model import OperationNotFoundError
    from botocore.validate import ParamValidator

    try:
        shape = service_model.operation_model(step.api).input_shape
    except OperationNotFoundError:
        raise PlanError(f"step {step.name} cannot run", f"{step.service} has no API {step.api}") from None
    if shape is None:
        if step.parameters:
            raise PlanError(f"step {step.name} cannot run", f"{step.service}:{step.api} takes no parameters")
        return []
    parameters = _stand_in(fitted(step.api, step.parameters, service_model), shape)
    report = ParamValidator().validate(parameters, shape)
    problems = [report.generate_report()] if report.has_errors() else []
    problems += _too_large(parameters, shape, step.api)
    if problems:
        raise PlanError(f"step {step.name}: {step.service}:{step.api} would be refused", "; ".join(problems))
    return list(_unlisted(parameters, shape, step.api))


def fitted(api: str, parameters: Mapping[str, Any], service_model: Any) -> dict[str, Any]:
    """Return parameters with each scalar in the type that the API wants, if it has a form in that type."""
    shape = service_model.operation_model(api).input_shape
    return dict(parameters) if shape is None else _fit(dict(parameters), shape)


def _fit(value: Any, shape: Any) -> Any:
    kind = getattr(shape, "type_name", "")
    if kind == "structure" and isinstance(value, dict):
        return {
            name: _fit(each, shape.members[name]) if name in shape.members else each for name, each in value.items()
        }
    if kind == "map" and isinstance(value, dict):
        return {name: _fit(each, shape.value) for name, each in value.items()}
    if kind == "list":
        return [_fit(each, shape.member) for each in value] if isinstance(value, list) else value
    wanted = _SCALARS.get(kind)
    if wanted is None or _is_reference(value):
        return value
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list | dict):
        return value
    found = convert(value, wanted)
    return value if found is ABSENT else found


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def _stand_in(value: Any, shape: Any) -> Any:
    """Replace each value that is only a reference by one of the type that the model wants there."""
    if isinstance(value, str) and value.startswith("{{") and value.endswith("}}"):
        return _example(shape)
    if isinstance(value, dict):
        members = getattr(shape, "members", {})
        inner = getattr(shape, "value", None)
        return {key: _stand_in(each, members.get(key, inner)) for key, each in value.items()}
    if isinstance(value, list):
        return [_stand_in(each, getattr(shape, "member", None)) for each in value]
    return value


def _example(shape: Any) -> Any:
    kind = getattr(shape, "type_name", "string")
    least = int(getattr(shape, "metadata", {}).get("min", 1))
    examples = {
        "boolean": True,
        "integer": least,
        "long": least,
        "float": float(least),
        "double": float(least),
        "timestamp": "2000-01-01T00:00:00Z",
        "list": [],
        "map": {},
        "structure": {},
    }
    return examples.get(kind, "x" * max(least, 1))


def _too_large(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Yield what exceeds the model's maxima, which botocore itself does not check."""
    most = shape.metadata.get("max")
    if most is not None:
        size = len(value) if isinstance(value, str | list | dict) else value
        if isinstance(size, int | float) and size > most:
            yield f"{path} is {size}, the most is {most}"
    for name, inner, inner_shape in _parts(value, shape):
        yield from _too_large(inner, inner_shape, f"{path}.{name}")


def _unlisted(value: Any, shape: Any, path: str) -> Iterator[str]:
    listed = getattr(shape, "enum", None)
    if listed and isinstance(value, str) and value not in listed:
        yield f"{path}: {value} is not among the values this version of boto3 knows"
    for name, inner, inner_shape in _parts(value, shape):
        yield from _unlisted(inner, inner_shape, f"{path}.{name}")


def _parts(value: Any, shape: Any) -> Iterator[tuple[str, Any, Any]]:
    if shape.type_name == "structure" and isinstance(value, dict):
        yield from ((name, each, shape.members[name]) for name, each in value.items() if name in shape.members)
    elif shape.type_name == "map" and isinstance(value, dict):
        yield from ((name, each, shape.value) for name, each in value.items())
    elif shape.type_name == "list" and isinstance(value, list):
        yield from ((str(index), each, shape.member) for index, each in enumerate(value))
