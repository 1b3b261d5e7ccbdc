"""What must still be true when a plan is run: same steps, same caller, same live state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import ApprovalRefusedError, CloudOpsError, DriftError, PlanError
from cloudops_nb.execution import observations, store_parameters
from cloudops_nb.execution.fingerprint import STATE, differences, read_live
from cloudops_nb.execution.prepare import require_account
from cloudops_nb.execution.program import nested_documents
from cloudops_nb.execution.rendering import Renderer, Scope
from cloudops_nb.iam.principal import acting_principal
from cloudops_nb.ssm.references import PARAMETER_STORE
from cloudops_nb.understanding.environment import environment_class, most_careful

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.execution.documents import PlanDocuments
    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.fingerprint import Live
    from cloudops_nb.execution.plan import Plan, Step, Target
    from cloudops_nb.execution.ports import Clients
    from cloudops_nb.execution.program import Block
    from cloudops_nb.ssm.catalogue import Playbook


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan with the playbook it was made from and, by unit (a target's ARN, or empty), its program and parameters."""

    plan: Plan
    playbook: Playbook
    scope: Scope
    programs: Mapping[str, Block]
    parameters: Mapping[str, Mapping[str, Any]]
    renderer: Renderer
    state_of: Callable[[Target], str]


class Preflight:
    """Compares a plan with its documents and with AWS; reads only."""

    def __init__(self, clients: Clients, executor: Executor) -> None:
        self._clients = clients
        self._executor = executor

    def load(self, plan: Plan, documents: PlanDocuments) -> Ready:
        """Return the plan with the playbook that it was made from.

        Raises:
            PlaybookError: A document is no longer there with that content, or may not run.
        """
        playbook = documents.playbook(plan.playbook)
        scope = Scope(plan.account_id, plan.region, plan.principal.split(":")[1], plan.created, plan.automation_id)
        store = {f"{PARAMETER_STORE}{each.name}": each.usable for each in plan.store_parameters}
        renderer = Renderer(playbook, scope, documents, store)
        identifiers = {"": ""} if plan.once else {target.arn: target.identifier for target in plan.target_states}
        parameters = {unit: renderer.parameters(plan.parameters, name) for unit, name in identifiers.items()}
        programs = {unit: renderer.program(values) for unit, values in parameters.items()}

        def state_of(target: Target) -> str:
            return str(self._live(ready, target).fingerprint.get(STATE))

        ready = Ready(plan, playbook, scope, programs, parameters, renderer, state_of)
        return ready

    def require_same_steps(self, ready: Ready, *, override: bool) -> None:
        """Make the steps again; raise :class:`ApprovalRefusedError` unless they and their documents are the plan's."""
        fresh = [
            step
            for unit, program in ready.programs.items()
            for step in ready.renderer.steps(program, unit, unreviewed=override)
        ]
        plan = ready.plan
        # Steps show no limits and no ways between them, so the contents of nested documents count too.
        nested = nested_documents(ready.programs[plan.units[0]], plan.automation_id)
        same_steps = [_acting(step) for step in fresh] == [_acting(step) for step in plan.steps]
        if not same_steps or nested != list(plan.nested):
            raise ApprovalRefusedError(
                f"the steps of {plan.title} are no longer the playbook's", fix="Ask again for a plan."
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
        """Raise :class:`DriftError`, with each change, unless everything that the plan rests on is as it was shown."""
        for target in ready.plan.target_states:
            if not target.fingerprint:
                continue
            live = self._live(ready, target)
            changed = [*differences(target.fingerprint, live.fingerprint), *_more_dangerous(target, live)]
            if changed:
                raise DriftError(
                    f"{target.name or target.identifier} changed since the plan was shown",
                    "; ".join(changed),
                    "Ask again for a plan.",
                )
        store_parameters.require_unchanged(self._executor, ready.scope, ready.plan.store_parameters)
        observations.require_no_drift(ready.plan.observations, ready.programs, self._executor, ready.scope)

    def now(self, ready: Ready, unit: str) -> str:
        """Say in a clause in which state the target of a unit is now."""
        target = next((each for each in ready.plan.target_states if each.arn == unit), None)
        if target is None or not target.fingerprint:
            return "look at its resources"
        try:
            return f"the resource is {self._live(ready, target).fingerprint.get(STATE)} now"
        except CloudOpsError as error:
            return f"its state cannot be read: {error}"

    def fingerprint(self, ready: Ready, target: Target) -> dict[str, Any]:
        """Return a target's live state now, empty if its playbook reads none.

        Raises:
            PlanError: AWS does not show it.
        """
        return dict(self._live(ready, target).fingerprint) if target.fingerprint else {}

    def _live(self, ready: Ready, target: Target) -> Live:
        specification = ready.playbook.metadata.fingerprint
        assert specification is not None  # noqa: S101 - a target has a fingerprint only by it
        return read_live(
            specification,
            {**ready.scope.variables(), **ready.parameters[target.arn]},
            account_id=ready.plan.account_id,
            region=ready.scope.client_region,
            executor=self._executor,
        )


def _more_dangerous(target: Target, live: Live) -> list[str]:
    """Say when the tags now put the target into a more dangerous environment than the one that was shown."""
    now = most_careful((target.environment, environment_class(tags=live.tags)))
    return differences({"environment": target.environment}, {"environment": now})


def _acting(step: Step) -> tuple[Any, ...]:
    acting = step.name, step.action, step.target, step.service, step.api, step.parameters, step.effect, step.cli
    return (*acting, step.at_most, step.reviewed)
