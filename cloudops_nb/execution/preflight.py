"""What must still be true when a plan is run: same steps, same caller, same live state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import ApprovalRefusedError, DriftError, PlanError
from cloudops_nb.execution.fingerprint import differences, read_live
from cloudops_nb.execution.prepare import require_account
from cloudops_nb.execution.rendering import Scope, render_steps, target_context
from cloudops_nb.iam.principal import acting_principal
from cloudops_nb.understanding.environment import environment_class, most_careful

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.fingerprint import Live
    from cloudops_nb.execution.plan import Plan, Step, Target
    from cloudops_nb.execution.ports import Clients
    from cloudops_nb.ssm.catalogue import Catalogue, Playbook


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan with the playbook it was made from and, by target ARN, the values of its references."""

    plan: Plan
    playbook: Playbook
    scope: Scope
    contexts: Mapping[str, Mapping[str, Any]]


class Recheck:
    """Compares a plan with the catalogue and with AWS; reads only."""

    def __init__(self, clients: Clients, executor: Executor, catalogue: Catalogue) -> None:
        self._clients = clients
        self._executor = executor
        self._catalogue = catalogue

    def load(self, plan: Plan, *, override: bool = False) -> Ready:
        """Return the plan with the host's own copy of its playbook.

        Raises:
            PlaybookError: The host has no such playbook, with that content, that may run.
        """
        playbook = self._catalogue.by_ref(plan.playbook, override=override)
        scope = Scope(plan.account_id, plan.region, plan.principal.split(":")[1], plan.created)
        contexts = {
            target.arn: target_context(playbook, plan.parameters, target.identifier, scope)
            for target in plan.target_states
        }
        return Ready(plan, playbook, scope, contexts)

    def require_same_steps(self, ready: Ready, *, override: bool) -> None:
        """Make the steps again; raise :class:`ApprovalRefusedError` unless they are the plan's."""
        fresh = [
            step
            for target in ready.plan.target_states
            for step in render_steps(
                ready.playbook, ready.contexts[target.arn], target.arn, ready.scope, unreviewed=override
            )
        ]
        if [_acting(step) for step in fresh] != [_acting(step) for step in ready.plan.steps]:
            raise ApprovalRefusedError(
                f"the steps of {ready.plan.title} are no longer the playbook's", fix="Ask again for a plan."
            )

    def require_same_caller(self, plan: Plan) -> None:
        """Raise :class:`PlanError` unless the credentials are of the plan's account and act as its principal."""
        caller = self._clients.caller(plan.account_id, fresh=True)
        require_account(caller, plan.account_id)
        principal = acting_principal(caller.arn).arn
        if principal != plan.principal:
            raise PlanError(
                f"the plan is for {plan.principal}", f"the credentials act as {principal}", "Ask again for a plan."
            )

    def require_no_drift(self, ready: Ready) -> None:
        """Raise :class:`DriftError`, with each change, unless every target is as the plan was shown."""
        for target in ready.plan.target_states:
            live = self._live(ready, target)
            changed = [*differences(target.fingerprint, live.fingerprint), *_more_dangerous(target, live)]
            if changed:
                raise DriftError(
                    f"{target.name or target.identifier} changed since the plan was shown",
                    "; ".join(changed),
                    "Ask again for a plan.",
                )

    def fingerprint(self, ready: Ready, target: Target) -> dict[str, Any]:
        """Return a target's live state now; raises :class:`PlanError` when AWS does not show it."""
        return dict(self._live(ready, target).fingerprint)

    def _live(self, ready: Ready, target: Target) -> Live:
        return read_live(
            ready.playbook.metadata.fingerprint,
            ready.contexts[target.arn],
            account_id=ready.plan.account_id,
            region=ready.scope.client_region,
            executor=self._executor,
        )


def _more_dangerous(target: Target, live: Live) -> list[str]:
    """Say when the tags now put the target into a more dangerous environment than the one that was shown."""
    now = most_careful((target.environment, environment_class(tags=live.tags)))
    return differences({"environment": target.environment}, {"environment": now})


def _acting(step: Step) -> tuple[Any, ...]:
    return step.name, step.action, step.target, step.service, step.api, step.parameters, step.effect, step.cli
