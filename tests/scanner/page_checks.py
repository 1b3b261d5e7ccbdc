"""Whether a spec's listings are paged as botocore knows them to be, or say themselves how."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.scanner.botocore_models import near, operation, paginators
from tests.scanner.shape_types import resolved, selected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel, Shape

    from cloudops_nb.specs.model import ListCall, ResourceSpec

_TOKENS = re.compile(r"(next|pagination)?_?(token|marker)|position|hasmore\w*|is_?truncated", re.IGNORECASE)


def page_problems(spec: ResourceSpec) -> list[str]:
    """Check that listings are paged as botocore knows, or say themselves how."""
    calls = [("list", spec.list)] + ([("parent.list", spec.parent.list)] if spec.parent else [])
    return [f"{label}: {each}" for label, call in calls for each in _page_problems(spec.service, call)]


def _page_problems(service: str, call: ListCall) -> list[str]:
    model = operation(service, call.operation)
    if model is None:
        return []
    known = paginators(service).get(call.operation)
    if known and call.pages:
        return [f"botocore knows how {call.operation} is paged; drop pages"]
    if not known and not call.pages:
        tokens = _tokens(model)
        if tokens:
            how = "say pages: {input_token: …, output_token: …, limit_key: …}"
            return [f"{call.operation} answers {', '.join(tokens)}, but botocore has no paginator for it; {how}"]
        return [f"{call.operation} is not paged, page_size has no meaning"] if call.page_size else []
    rules = known or call.pages.model_dump()
    inputs = model.input_shape.members if model.input_shape else {}
    wrong = [
        f"{call.operation} takes no {name}{near(name, inputs)}" for name in _names(rules, call) if name not in inputs
    ]
    if call.pages:
        given = (call.pages.output_token, call.pages.more_results)
        wrong += [
            each for selector in given if selector for each in selected(selector, resolved(model.output_shape))[1]
        ]
    return wrong or _limit_problems(call, rules.get("limit_key"), inputs)


def _names(rules: Mapping[str, Any], call: ListCall) -> list[str]:
    return [name for name in (rules["input_token"], rules.get("limit_key")) if name] if call.pages else []


def _limit_problems(call: ListCall, limit_key: str | None, inputs: Mapping[str, Shape]) -> list[str]:
    if not limit_key or limit_key not in inputs:
        return [f"{call.operation} has no limit, page_size has no meaning"] if call.page_size else []
    limits = inputs[limit_key].metadata if inputs[limit_key].type_name != "string" else {}
    least, most = limits.get("min", 1), limits.get("max", 10_000)
    if call.page_size is None:
        return [f"page_size is missing; {limit_key} is {least} to {most if 'max' in limits else 'what AWS documents'}"]
    if not least <= call.page_size <= most:
        return [f"page_size {call.page_size}, but {limit_key} is {least} to {most}"]
    return []


def _tokens(model: OperationModel) -> list[str]:
    """Return the members by which an answer says that there is more, one level deep."""
    shape = model.output_shape
    if shape is None:
        return []
    nested = {
        f"{name}.{inner}": inner
        for name, member in shape.members.items() if member.type_name == "structure"
        for inner in member.members
    }  # fmt: skip
    taken = {name.lower() for name in (model.input_shape.members if model.input_shape else {})}
    pageable = any(_TOKENS.fullmatch(name) or name.startswith("exclusivestart") for name in taken)
    return [path for path, name in ({name: name for name in shape.members} | nested).items()
            if pageable and _TOKENS.fullmatch(name)]  # fmt: skip
