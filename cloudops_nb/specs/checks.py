"""Checks of a user's own declarations against botocore's models, so that mistakes appear before a scan."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from botocore.exceptions import DataNotFoundError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from cloudops_nb.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from cloudops_nb.specs.model import ResourceSpec

    #: The path to a key in a type's declaration, and the problem at it.
    SpecProblem = tuple[tuple[str | int, ...], str]


def unknown_service(service: str) -> str:
    """Return the problem with a service's name, empty if botocore has the service."""
    known = _model_loader().list_available_services("service-2")
    return "" if service in known else f"botocore has no service {service}{_hint(service, known)}"


def model_problems(spec: ResourceSpec) -> Iterator[SpecProblem]:
    """Yield each service, operation and parameter of a declaration that botocore's models lack."""
    model = _service_model(spec.called)
    if model is None:
        if spec.api:
            yield ("api",), unknown_service(spec.api)
        return
    for path, operation, parameters in _declared_calls(spec):
        if operation not in model.operation_names:
            near = _hint(operation, model.operation_names)
            yield (*path, "operation"), f"{spec.called} has no operation {operation}{near}"
            continue
        shape = model.operation_model(operation).input_shape
        taken = list(shape.members) if shape else []
        for name in parameters:
            if name not in taken:
                yield (*path, "parameters"), f"{operation} has no parameter {name}{_hint(name, taken)}"


def _declared_calls(spec: ResourceSpec) -> Iterator[tuple[tuple[str | int, ...], str, Mapping[str, object]]]:
    """Yield every call of a declaration: its path, its operation and its parameters."""
    given = dict(spec.list.parameters)
    if spec.parent:
        yield ("parent", "list"), spec.parent.list.operation, spec.parent.list.parameters
        given |= spec.parent.parameters
    yield ("list",), spec.list.operation, given
    for index, batch in enumerate(spec.batches):
        yield ("batches", index), batch.operation, {**batch.parameters, batch.keys: batch.key}
    for index, detail in enumerate(spec.details):
        yield ("details", index), detail.operation, detail.parameters


def _hint(name: str, known: Collection[str]) -> str:
    hint = did_you_mean(name, known)
    return f"; {hint}" if hint else ""


@cache
def _service_model(service: str) -> ServiceModel | None:
    try:
        return ServiceModel(_model_loader().load_service_model(service, "service-2"), service)
    except DataNotFoundError:
        return None


# botocore's loader keeps what it has read, so all checks share one.
@cache
def _model_loader() -> Loader:
    return Loader()
