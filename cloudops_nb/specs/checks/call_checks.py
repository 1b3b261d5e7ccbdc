"""Checks the service, the operations and the parameters of a declaration against botocore's models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.validate import ParamValidator

from cloudops_nb.specs.checks.botocore_models import operation, paginators, sample, service_model, service_names
from cloudops_nb.specs.checks.problem import SpecProblem, nearest
from cloudops_nb.specs.checks.selector_checks import DeclaredItem
from cloudops_nb.specs.checks.selector_types import ANY, Type, selector_type, shape_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import OperationModel

    from cloudops_nb.specs.model import BatchCall, ListCall, ResourceSpec

    Path = tuple[str | int, ...]


def service_problem(service: str) -> str:
    """Return what is wrong with a service's name; empty if botocore has the service."""
    names = service_names()
    return "" if service in names else f"botocore has no service {service}{nearest(service, names)}"


def missing_operations(spec: ResourceSpec) -> list[SpecProblem]:
    """Check that botocore has the declared service, and that the service has every declared operation."""
    if problem := service_problem(spec.called):
        return [SpecProblem(("api",) if spec.api else (), problem)]
    names = service_model(spec.called).operation_names
    return [
        SpecProblem((*path, "operation"), f"{spec.called} has no operation {name}{nearest(name, names)}")
        for path, name in spec.operations()
        if name not in names
    ]


def input_problems(spec: ResourceSpec) -> list[SpecProblem]:
    """Check that every operation accepts the declared parameters, and that it gets all parameters that it requires.

    Call this function only if :func:`missing_operations` has returned no problem.
    """
    return [*_parameter_problems(spec), *_size_problems(spec)]


def _parameter_problems(spec: ResourceSpec) -> Iterator[SpecProblem]:
    item = DeclaredItem(spec)

    def check(
        path: Path, name: str, literal: Mapping[str, Any], selectors: Mapping[str, str], data: Type
    ) -> Iterator[SpecProblem]:
        model = operation(spec.called, name)
        if model is not None:
            yield from (SpecProblem(path, each) for each in _input_problems(model, literal, selectors, data))

    from_parent = spec.parent.parameters if spec.parent else {}
    yield from check(("list",), spec.list.operation, _literals(spec.called, spec.list), from_parent, item.parent)
    if spec.parent:
        listing = spec.parent.list
        yield from check(("parent", "list"), listing.operation, _literals(spec.called, listing), {}, ANY)
    for index, batch in enumerate(spec.batches):
        given = {**batch.parameters, batch.keys: f"[{batch.key}]"}
        yield from check(("batches", index), batch.operation, {}, given, item.type)
    for index, detail in enumerate(spec.details):
        yield from check(("details", index), detail.operation, {}, detail.parameters, item.type)


def _literals(service: str, call: ListCall) -> Mapping[str, Any]:
    """Return the parameters of a list call that have fixed values: the declared parameters, and the page size."""
    rules = paginators(service).get(call.operation) or (call.pages.model_dump() if call.pages else {})
    model, key = operation(service, call.operation), rules.get("limit_key")
    if not key or call.page_size is None or not (model and model.input_shape and key in model.input_shape.members):
        return call.parameters
    is_text = model.input_shape.members[key].type_name == "string"
    return {**call.parameters, key: str(call.page_size) if is_text else call.page_size}


def _input_problems(
    model: OperationModel, literal: Mapping[str, Any], selectors: Mapping[str, str], data: Type
) -> Iterator[str]:
    """Check the parameters of a call.

    botocore's validator checks fixed values (``literal``). A selector is checked by the type of the value that it gives
    for ``data``.
    """
    shape = model.input_shape
    members = shape.members if shape else {}
    unknown = [each for each in (*literal, *selectors) if each not in members]
    yield from (f"{model.name} has no parameter {each}{nearest(each, members)}" for each in unknown)
    for parameter, selector in selectors.items():
        found, problems = selector_type(selector, data)
        yield from (f"{parameter} {each}" for each in problems)
        if parameter in members and not _accepts(shape_type(members[parameter]), found):
            yield f"{parameter} {selector!r} gives {found}, not {shape_type(members[parameter])}"
    if shape and not unknown:
        samples = {parameter: sample(members[parameter]) for parameter in selectors}
        report = ParamValidator().validate({**literal, **samples}, shape)
        if report.has_errors():
            yield f"{model.name}: {' '.join(report.generate_report().split())}"


def _accepts(parameter: Type, value: Type) -> bool:
    if "any" in (parameter.kind, value.kind):
        return True
    if parameter.kind == value.kind == "list":
        return _accepts(parameter.element, value.element)
    return parameter.kind == value.kind


def _size_problems(spec: ResourceSpec) -> Iterator[SpecProblem]:
    for index, batch in enumerate(spec.batches):
        most = _largest_batch(spec.called, batch)
        if most and batch.size > most:
            message = f"size is {batch.size}, but {batch.keys} accepts at most {most}"
            yield SpecProblem(("batches", index, "size"), message)


def _largest_batch(service: str, batch: BatchCall) -> int | None:
    found = operation(service, batch.operation)
    keys = found.input_shape.members.get(batch.keys) if found and found.input_shape else None
    return keys.metadata.get("max") if keys is not None and keys.type_name == "list" else None
