"""Checks the pagination of list calls.

A list call whose operation returns pages needs pagination rules, which are either botocore's or the declaration's. If
the declaration gives a page size, the operation must accept it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.model import StructureShape

from cloudops_nb.specs.checks.botocore_models import operation, paginators
from cloudops_nb.specs.checks.problem import SpecProblem, nearest
from cloudops_nb.specs.checks.selector_types import selector_type, shape_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel, Shape

    from cloudops_nb.specs.model import ListCall, ResourceSpec

    Path = tuple[str | int, ...]

#: Names of parameters and fields that are typical of paginated operations.
_TOKENS = re.compile(r"(next|pagination)?_?(token|marker)|position|hasmore\w*|is_?truncated", re.IGNORECASE)


def paging_problems(spec: ResourceSpec) -> list[SpecProblem]:
    """Check the pagination of the list calls; a list call that stops after the first page silently misses resources."""
    return [
        SpecProblem(path, problem) for path, call in _listings(spec) for problem in _call_problems(spec.called, call)
    ]


def missing_page_sizes(spec: ResourceSpec) -> list[SpecProblem]:
    """Return a problem for each list call that lacks the page size that it accepts; small pages need more calls."""
    found = []
    for path, call in _listings(spec):
        limit = _limit(spec.called, call)
        if limit and call.page_size is None:
            name, shape = limit
            most = shape.metadata.get("max", "the number that AWS documents")
            least = shape.metadata.get("min", 1)
            found.append(SpecProblem(path, f"page_size is missing; {name} accepts {least} to {most}"))
    return found


def _listings(spec: ResourceSpec) -> Iterator[tuple[Path, ListCall]]:
    yield ("list",), spec.list
    if spec.parent:
        yield ("parent", "list"), spec.parent.list


def _call_problems(service: str, call: ListCall) -> list[str]:
    model = operation(service, call.operation)
    if model is None:
        return []
    known = paginators(service).get(call.operation)
    if known and call.pages:
        return [f"botocore already has a paginator for {call.operation}; remove pages"]
    if not known and not call.pages:
        tokens = _page_tokens(model)
        if tokens:
            fix = "declare pages: {input_token: …, output_token: …, limit_key: …}"
            return [f"{call.operation} returns {', '.join(tokens)}, but botocore has no paginator for it; {fix}"]
        return [f"{call.operation} is not paginated; remove page_size"] if call.page_size else []
    return _declared_paging_problems(model, call) or _size_problems(service, call)


def _declared_paging_problems(model: OperationModel, call: ListCall) -> list[str]:
    if not call.pages:
        return []
    inputs = model.input_shape.members if model.input_shape else {}
    names = [name for name in (call.pages.input_token, call.pages.limit_key) if name]
    wrong = [f"{call.operation} has no parameter {name}{nearest(name, inputs)}" for name in names if name not in inputs]
    for selector in (call.pages.output_token, call.pages.more_results):
        if selector and model.output_shape:
            wrong += selector_type(selector, shape_type(model.output_shape))[1]
    return wrong


def _size_problems(service: str, call: ListCall) -> list[str]:
    limit = _limit(service, call)
    if call.page_size is None:
        return []
    if limit is None:
        return [f"{call.operation} has no parameter for the page size; remove page_size"]
    name, shape = limit
    least, most = shape.metadata.get("min", 1), shape.metadata.get("max", 10_000)
    if shape.type_name != "string" and not least <= call.page_size <= most:
        return [f"page_size is {call.page_size}, but {name} accepts {least} to {most}"]
    return []


def _limit(service: str, call: ListCall) -> tuple[str, Shape] | None:
    """Return the parameter for the page size, and its shape; ``None`` if the operation has no such parameter."""
    model = operation(service, call.operation)
    declared = call.pages.model_dump() if call.pages else {}
    name = (paginators(service).get(call.operation) or declared).get("limit_key")
    inputs = model.input_shape.members if model and model.input_shape else {}
    return (name, inputs[name]) if name and name in inputs else None


def _page_tokens(model: OperationModel) -> list[str]:
    """Return the response fields that show whether more pages follow, also those one level deep in a structure.

    The result is empty if the operation has no parameter that could request a further page.
    """
    if model.output_shape is None:
        return []
    members = model.output_shape.members
    nested = {
        f"{name}.{inner}": inner
        for name, member in members.items()
        if isinstance(member, StructureShape)
        for inner in member.members
    }
    inputs = {name.lower() for name in (model.input_shape.members if model.input_shape else {})}
    if not any(_TOKENS.fullmatch(name) or name.startswith("exclusivestart") for name in inputs):
        return []
    return [path for path, name in ({name: name for name in members} | nested).items() if _TOKENS.fullmatch(name)]
