"""What botocore knows of services and operations, loaded once."""

from __future__ import annotations

import difflib
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError

from tests.synthetic_aws.models import loader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from botocore.model import OperationModel, ServiceModel, Shape

#: Some shapes contain themselves many times.
_DEEPEST = 7


@cache
def session() -> Any:
    made = botocore.session.Session()
    made.register_component("data_loader", loader())
    return made


@cache
def service_model(service: str) -> ServiceModel:
    return session().get_service_model(service)


@cache
def paginators(service: str) -> Mapping[str, Any]:
    try:
        rules: Mapping[str, Any] = loader().load_service_model(service, "paginators-1")
    except UnknownServiceError:
        return {}
    return rules["pagination"]


def operation(service: str, name: str) -> OperationModel | None:
    """Return an operation's model, ``None`` if there is no such service or operation."""
    try:
        return service_model(service).operation_model(name)
    except (UnknownServiceError, OperationNotFoundError):
        return None


def sample(shape: Shape, depth: int = 0) -> Any:
    """Return a value of a shape with every member there: lists of one, text that is a number too."""
    if depth > _DEEPEST:
        return None
    if shape.type_name == "structure":
        return {name: sample(member, depth + 1) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [sample(shape.member, depth + 1)] * max(1, shape.metadata.get("min", 1))
    if shape.type_name == "map":
        return {key: sample(shape.value, depth + 1) for key in getattr(shape.key, "enum", None) or ["key"]}
    if shape.type_name in ("integer", "long", "float", "double"):
        return max(1, shape.metadata.get("min", 1))
    return (
        True
        if shape.type_name == "boolean"
        else (getattr(shape, "enum", None) or ["1" * max(1, shape.metadata.get("min", 1))])[0]
    )


def near(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a name that is not known: those like it, else some that are."""
    found = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f", did you mean {' or '.join(found)}?" if found else f" (known are {', '.join(sorted(known)[:20])})"
