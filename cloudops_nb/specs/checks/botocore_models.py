"""botocore's models of services and operations, each loaded once per process, and sample values.

*Shape* is botocore's word for the model of a structure, list or value.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import UnknownServiceError
from botocore.model import ListShape, MapShape, OperationNotFoundError, ServiceModel, StringShape, StructureShape

from cloudops_nb.aws.fast_botocore.door import data_loader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from botocore.loaders import Loader
    from botocore.model import OperationModel, Shape

#: The largest depth of a sample, because some shapes contain themselves. Deeper values are ``None``.
_MAX_DEPTH = 7
#: Samples of values that are not texts. 0 stands for the smallest positive number that the shape allows.
_SCALARS = {"boolean": True, **dict.fromkeys(("integer", "long", "float", "double"), 0)}


@cache
def model_loader() -> Loader:
    """Return the loader of botocore's data files; tests replace it."""
    return data_loader()


def service_names() -> Sequence[str]:
    """Return the names of all services that botocore has."""
    names: Sequence[str] = model_loader().list_available_services("service-2")
    return names


@cache
def service_model(service: str) -> ServiceModel:
    """Return a service's model.

    Raises:
        UnknownServiceError: botocore has no such service.
    """
    return ServiceModel(model_loader().load_service_model(service, "service-2"), service)


@cache
def paginators(service: str) -> Mapping[str, Any]:
    """Return the pagination rules of a service's operations; empty if botocore has no paginators for the service."""
    try:
        rules: Mapping[str, Any] = model_loader().load_service_model(service, "paginators-1")
    except UnknownServiceError:
        return {}
    pagination: Mapping[str, Any] = rules["pagination"]
    return pagination


def operation(service: str, name: str) -> OperationModel | None:
    """Return an operation's model, or ``None`` if botocore lacks the service or the operation."""
    try:
        return service_model(service).operation_model(name)
    except (UnknownServiceError, OperationNotFoundError):
        return None


def sample(shape: Shape, depth: int = 0) -> Any:
    """Return a sample value of a shape. A structure has every member.

    A list has as few elements as its shape allows, but at least one. A text is the first of the values that its shape
    lists; if it lists none, it consists of digits, so that ``to_number`` accepts it.
    """
    if depth > _MAX_DEPTH:
        return None
    least = max(1, shape.metadata.get("min", 1))
    if isinstance(shape, StructureShape):
        return {name: sample(member, depth + 1) for name, member in shape.members.items()}
    if isinstance(shape, ListShape):
        return [sample(shape.member, depth + 1)] * least
    if isinstance(shape, MapShape):
        return {key: sample(shape.value, depth + 1) for key in getattr(shape.key, "enum", None) or ["key"]}
    if isinstance(shape, StringShape) or shape.type_name not in _SCALARS:
        return (getattr(shape, "enum", None) or ["1" * least])[0]
    return _SCALARS[shape.type_name] or least
