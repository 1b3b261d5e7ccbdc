"""Checks that a declaration's selectors can be evaluated on an item from which AWS left out every optional field.

JMESPath gives null for a field that is left out, and most of its functions raise an error for null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jmespath.exceptions import JMESPathError

from cloudops_nb.declarations.selectors import fields, select
from cloudops_nb.specs.checks.botocore_models import operation, sample
from cloudops_nb.specs.checks.problem import SpecProblem
from cloudops_nb.specs.checks.selector_checks import item_selectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.specs.model import ListCall, ResourceSpec

#: Fields that AWS always sends, although its models do not mark them as required.
_ALWAYS_PRESENT = frozenset({"Engine", "Path"})


def absence_problems(spec: ResourceSpec) -> Iterator[SpecProblem]:
    """Check that no selector raises an error when a field is absent."""
    item = sparse_item(spec)
    for path, selector in item_selectors(spec):
        try:
            select(selector, item)
        except JMESPathError as error:
            reason = " ".join(str(error).split())
            what = f"{selector!r} raises an error when a field is absent: {reason}"
            yield SpecProblem(path, f"{what}; use not_null() or || `[]`")


def sparse_item(spec: ResourceSpec) -> dict[str, Any]:
    """Return an item from which all optional fields are left out.

    It contains only the fields from which its identifier, name, ARN, state and region are selected, its parent, and an
    empty response for each batch and detail call.
    """
    selectors = [spec.identifier, spec.name, spec.arn, spec.state, spec.region]
    kept = _ALWAYS_PRESENT.union(*(fields(selector) for selector in selectors if selector))
    item: dict[str, Any] = {name: value for name, value in _first_listed(spec, spec.list).items() if name in kept}
    item |= {into: {} for into in [*(each.into for each in spec.batches), *(each.into for each in spec.details)]}
    return item | ({spec.parent.into: _first_listed(spec, spec.parent.list)} if spec.parent else {})


def full_answer(service: str, name: str) -> Any:
    """Return a sample response of an operation with every member, down to the depth that :func:`sample` allows."""
    model = operation(service, name)
    return sample(model.output_shape) if model and model.output_shape else {}


def _first_listed(spec: ResourceSpec, call: ListCall) -> dict[str, Any]:
    listed = select(call.items, full_answer(spec.called, call.operation))
    return dict(listed[0]) if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
