"""The way back: which playbook undoes an execution, on which of its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import PlanError
from cloudops_nb.execution.plan import PlanStatus
from cloudops_nb.execution.serialisation import bound_from_dict
from cloudops_nb.model import BoundPlaybook

if TYPE_CHECKING:
    from cloudops_nb.execution.journal_view import JournalView
    from cloudops_nb.ssm.catalogue import Catalogue


def rollback_of(picture: JournalView, execution_id: str, catalogue: Catalogue) -> BoundPlaybook:
    """Return the playbook that undoes an execution, bound to the targets that it changed or may have.

    Parameters that both playbooks name alike keep their values.

    Raises:
        PlanError: There is no way back, the execution is unknown or still runs, or it changed nothing.
    """
    view = picture.plan_of(execution_id)
    if view is None or view.run is None:
        raise PlanError(f"there is no execution {execution_id}", fix="See the history for the executions there are.")
    if view.run.status is PlanStatus.RUNNING:
        raise PlanError(f"{view.plan.title} still runs", fix="Cancel it or wait for its end first.")
    rule = view.plan.rollback
    if not rule.playbook:
        raise PlanError(f"{view.plan.title} cannot be rolled back", f"irreversible: {rule.note}")
    changed = view.run.changed_targets
    bound = bound_from_dict(view.record.body["bound"])
    if not changed:
        raise PlanError(f"{view.plan.title} changed no resource", "there is nothing to roll back")
    # A document that ran once names no target in its records; it may have changed any of them.
    targets = tuple(target for target in bound.targets if view.plan.once or target.canonical_key in changed)
    undo = catalogue.get(rule.playbook)
    wanted = undo.metadata.target_parameter
    if wanted and not targets:
        why = f"it ran once for all its resources, and {rule.playbook} takes each as {wanted}"
        raise PlanError(f"{view.plan.title} cannot be rolled back as a whole", why, f"Plan {rule.playbook} for each.")
    return BoundPlaybook(
        playbook=undo.ref,
        targets=targets,
        target_parameter=wanted,
        parameters={
            name: value
            for name, value in view.plan.parameters.items()
            if name in undo.document.parameters and name != wanted
        },
        level=undo.metadata.level,
        reasons=(f"it undoes {view.plan.title}",),
        explanation=rule.note,
        region=bound.region,
    )
