"""The type of the property that a wait or an assertion compares, by botocore's model of the API's answer."""

from __future__ import annotations

import re
from typing import Any

from cloudops_nb.ssm.api_models import operation_model

#: A selector whose parts name members, indexes and ``[*]`` only; anything else is not resolved.
_PLAIN = re.compile(r"\$(?:\.\w+|\[\d+\]|\[\*\])+")
_PART = re.compile(r"\.(\w+)|\[(?:\d+|\*)\]")


def property_type(service: str, api: str, selector: str) -> str:
    """Return botocore's name of the type that a selector takes from an API's answer, such as ``boolean``.

    Args:
        service: botocore's name of the service.
        api: botocore's name of the API.
        selector: A JSONPath such as ``$.DBInstances[0].MultiAZ``.

    Returns:
        The name; empty if the API is unknown or the selector is not plain enough to be followed.
    """
    model = operation_model(service, api) if _PLAIN.fullmatch(selector) else None
    if model is None:
        return ""
    shape: Any = model.output_shape
    for part in _PART.finditer(selector):
        shape = _inner(shape, part[1])
    return "" if shape is None else str(shape.type_name)


def _inner(shape: Any, name: str | None) -> Any:
    if shape is None or name is None:
        return shape.member if shape is not None and shape.type_name == "list" else None
    if shape.type_name == "map":
        return shape.value
    return shape.members.get(name) if shape.type_name == "structure" else None
