"""Whether a playbook can work on what the handles say, from their facets alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.protocol import NONE, OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.protocol import PlanRequest
    from cloudops_nb.ssm.catalogue import Playbook


def obstacles(request: PlanRequest, playbook: Playbook) -> Sequence[str]:
    """Return what stands in the way, as sentences; empty when nothing is known to.

    A state that AWS reports but we don't publish blocks nothing here: the host checks the live state before any plan.
    """
    metadata = playbook.metadata
    found: list[str] = []
    for handle in request.handles:
        if handle.kind == "set":
            states: Mapping[str, object] = handle.states
            limits = {name: "false" in values for name, values in handle.constraints.items()}
            denied = [action for action, verdicts in handle.iam.items() if "denied" in verdicts]
        else:
            states = {handle.facets.state: 1}
            limits = {name: value == "false" for name, value in handle.facets.constraints.items()}
            denied = [action for action, verdict in handle.facets.iam.items() if verdict == "denied"]
        wrong = sorted(set(states) - set(metadata.allowed_states) - {OTHER, NONE}) if metadata.allowed_states else []
        if wrong:
            needed = " or ".join(metadata.allowed_states)
            found.append(f"{handle.slot} is {', '.join(wrong)}; this needs {needed}.")
        found += [
            f"{handle.slot}'s own configuration says no ({name.replace('_', ' ')} is false)."
            for name in metadata.constraints
            if limits.get(name) and not wrong
        ]
        found += [f"IAM denies {action} on {handle.slot}." for action in denied if action in metadata.iam_actions]
    return found
