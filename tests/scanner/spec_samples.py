"""Items made from botocore's shapes: with as little in them as AWS may send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.selectors import fields, select
from tests.scanner.botocore_models import operation, sample

if TYPE_CHECKING:
    from cloudops_nb.scanner import ResourceSpec
    from cloudops_nb.specs.model import ListCall

#: What AWS always sends although its model doesn't say so.
_ALWAYS_THERE = frozenset({"Engine", "Path"})


def sparse_item(spec: ResourceSpec) -> dict[str, Any]:
    """Return an item that has only what names it, its parent, and empty answers of its further calls."""
    naming = [spec.identifier, spec.name, spec.arn, spec.state, spec.region]
    kept = _ALWAYS_THERE.union(*(fields(selector) for selector in naming if selector))
    item: dict[str, Any] = {name: value for name, value in _listed(spec, spec.list).items() if name in kept}
    item |= {each.into: {} for each in (*spec.batches, *spec.details)}
    return item | ({spec.parent.into: _listed(spec, spec.parent.list)} if spec.parent else {})


def answered(service: str, name: str) -> Any:
    """Return an answer of an operation with every member there that is not deep inside."""
    model = operation(service, name)
    assert model, f"{service} has no operation {name}"
    return sample(model.output_shape) if model.output_shape else {}


def _listed(spec: ResourceSpec, call: ListCall) -> dict[str, Any]:
    (item, *_) = select(call.items, answered(spec.service, call.operation))
    return dict(item)
