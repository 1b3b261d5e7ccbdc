"""How much could go wrong, as the server sees it; the host computes its own and takes the higher."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from cloudops_nb.protocol import Bucket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.protocol import PlanRequest
    from cloudops_nb.ssm.catalogue import Playbook

LEVELS = ("low", "medium", "high", "critical")
_BUCKETS = get_args(Bucket)
_MANY = _BUCKETS.index("6-20")


def assess(request: PlanRequest, playbook: Playbook) -> tuple[str, Sequence[str]]:
    """Return the level and the reasons for it: the playbook's own, one step up for production, one for many at once."""
    metadata = playbook.metadata
    place = LEVELS.index(metadata.level)
    reasons = [f"{risk.risk} ({risk.mitigation})" for risk in metadata.risks]
    for handle in request.handles:
        environments = handle.environments if handle.kind == "set" else {handle.facets.environment: "1"}
        if "production" in environments:
            place += 1
            reasons.append("It is production.")
        if handle.kind == "set" and _BUCKETS.index(handle.count) >= _MANY:
            place += 1
            reasons.append(f"It acts on {handle.count} resources.")
    if not metadata.reversible:
        reasons.append("It cannot be undone.")
    return LEVELS[min(place, len(LEVELS) - 1)], tuple(reasons)
