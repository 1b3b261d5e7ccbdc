"""From a playbook bound to real resources to a plan that a person can review; everything is checked now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.endpoints import is_aws_endpoint
from cloudops_nb.errors import PlanError
from cloudops_nb.execution.assembly import Findings, Request, assemble
from cloudops_nb.execution.authorisation import Authorisation
from cloudops_nb.execution.fingerprint import STATE, read_live
from cloudops_nb.execution.managed_by import managed_by
from cloudops_nb.execution.plan import Target
from cloudops_nb.execution.rendering import Scope, bind_parameters, render_steps, target_context
from cloudops_nb.execution.validation import validate_step
from cloudops_nb.iam.principal import acting_principal
from cloudops_nb.model import Ternary
from cloudops_nb.understanding.environment import environment_class, most_careful

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.fingerprint import Live
    from cloudops_nb.execution.plan import Plan, Step
    from cloudops_nb.execution.ports import Caller, Clients, Clock
    from cloudops_nb.model import Account, BoundPlaybook, Resource
    from cloudops_nb.ssm.catalogue import Catalogue, Playbook


class Preparer:
    """Makes plans; reads from AWS, changes nothing, keeps nothing."""

    def __init__(
        self, clients: Clients, executor: Executor, catalogue: Catalogue, *, approval: timedelta, clock: Clock
    ) -> None:
        self._clients = clients
        self._executor = executor
        self._catalogue = catalogue
        self._approval = approval
        self._clock = clock
        self._authorisation = Authorisation(clients, executor)

    def prepare(self, request: Request) -> Plan:
        """Return the plan; see :meth:`cloudops_nb.execution.engine.ExecutionEngine.prepare`."""
        bound = request.bound
        if request.max_concurrency < 1 or request.max_errors < 0:
            raise PlanError("the rate does not fit", "max_concurrency is at least 1, max_errors at least 0")
        playbook = self._catalogue.by_ref(bound.playbook, override=request.override)
        account_id, region = _place(bound, playbook, request.account)
        caller = self._clients.caller(account_id)
        require_account(caller, account_id)
        scope = Scope(account_id, region, caller.arn.split(":")[1], self._clock())
        parameters = bind_parameters(playbook, bound.parameters)
        contexts = [target_context(playbook, parameters, each.identifier, scope) for each in bound.targets]
        lives = [self._live(playbook, context, scope) for context in contexts]
        targets = [
            _target(playbook, request, resource, live) for resource, live in zip(bound.targets, lives, strict=True)
        ]
        steps, warnings, endpoints = self._steps(playbook, request, contexts, targets, scope)
        return assemble(
            Findings(
                request=request,
                playbook=playbook,
                scope=scope,
                principal=acting_principal(caller.arn).arn,
                parameters=parameters,
                targets=targets,
                steps=steps,
                warnings=warnings,
                endpoints=endpoints,
                untagged=[target for target, live in zip(targets, lives, strict=True) if live.tags is None],
            ),
            expires=scope.created + self._approval,
        )

    def _live(self, playbook: Playbook, context: Mapping[str, Any], scope: Scope) -> Live:
        return read_live(
            playbook.metadata.fingerprint,
            context,
            account_id=scope.account_id,
            region=scope.client_region,
            executor=self._executor,
        )

    def _steps(
        self,
        playbook: Playbook,
        request: Request,
        contexts: Sequence[Mapping[str, Any]],
        targets: Sequence[Target],
        scope: Scope,
    ) -> tuple[list[Step], list[str], list[str]]:
        """Return the steps, the warnings about their values, and the endpoints of the calls that are not AWS's own."""
        steps: list[Step] = []
        warnings: list[str] = []
        endpoints: set[str] = set()
        answered = (playbook.metadata.fingerprint.service, playbook.metadata.fingerprint.api)
        for resource, context, target in zip(request.bound.targets, contexts, targets, strict=True):
            for step in render_steps(playbook, context, target.arn, scope, unreviewed=request.override):
                if step.api:
                    client = self._clients.client(scope.account_id, step.service, scope.client_region)
                    warnings += validate_step(step, client.meta.service_model)
                    if not is_aws_endpoint(client.meta.endpoint_url):
                        endpoints.add(client.meta.endpoint_url)
                judged = self._authorisation.judge(
                    step, resource.iam, scope.account_id, scope.client_region, answered=answered
                )
                steps.append(judged)
        return steps, warnings, sorted(endpoints)


def require_account(caller: Caller, account_id: str) -> None:
    """Raise :class:`PlanError` unless the credentials are of that account."""
    if caller.account_id != account_id:
        raise PlanError(
            f"the plan is for account {account_id}",
            f"the credentials belong to account {caller.account_id}",
            "Correct the account's profile or role.",
        )


def _place(bound: BoundPlaybook, playbook: Playbook, account: Account) -> tuple[str, str]:
    """Return the one account and region of the targets."""
    places = {(each.account_id, each.region) for each in bound.targets}
    if not places:
        raise PlanError("there is nothing to act on", "the playbook is bound to no resource")
    if len(places) > 1:
        raise PlanError("a plan has one account and one region", "make one plan for each")
    if len({each.canonical_key for each in bound.targets}) != len(bound.targets):
        raise PlanError("a resource is named twice", "a plan acts on each resource once")
    wanted = playbook.metadata.target
    if bound.target_parameter != wanted.parameter:
        raise PlanError(f"{playbook.ref.id} takes its resource as {wanted.parameter}, not {bound.target_parameter}")
    for each in bound.targets:
        if each.resource_type != wanted.resource_type:
            raise PlanError(f"{playbook.ref.id} acts on {wanted.resource_type}, not on {each.resource_type}")
    account_id, region = places.pop()
    if account.account_id and account.account_id != account_id:
        raise PlanError(f"the resource is in account {account_id}", f"{account.name} is account {account.account_id}")
    return account_id, region


def _target(playbook: Playbook, request: Request, resource: Resource, live: Live) -> Target:
    state = str(live.fingerprint[STATE])
    _require_state(resource, state, playbook)
    if state == resource.state:
        _require_possible(resource, playbook)
    account, tags = request.account, live.tags or {}
    environments = (
        environment_class(
            label=account.environment, account_name=account.name, tags=each, name=resource.name or resource.identifier
        )
        for each in (resource.tags, tags)
    )
    return Target(
        identifier=resource.identifier,
        name=resource.name,
        resource_type=resource.resource_type,
        arn=resource.canonical_key,
        state=state,
        expected_state=playbook.metadata.expected_state,
        fingerprint=live.fingerprint,
        environment=most_careful(environments),
        managed_by=tuple(sorted({*managed_by(resource.tags), *managed_by(tags)})),
        dependents=tuple(request.dependents.get(resource.canonical_key, ())),
    )


def _label(resource: Resource) -> str:
    return resource.name or resource.identifier


def _require_state(resource: Resource, state: str, playbook: Playbook) -> None:
    metadata = playbook.metadata
    if state in metadata.allowed_states:
        return
    if state == metadata.expected_state:
        raise PlanError(f"{_label(resource)} is already {state}", "there is nothing to do")
    needed = " or ".join(metadata.allowed_states)
    raise PlanError(f"{_label(resource)} is {state}", f"{metadata.name} needs it to be {needed}")


def _require_possible(resource: Resource, playbook: Playbook) -> None:
    for name in playbook.metadata.constraints:
        constraint = getattr(resource.constraints, name)
        if constraint.value is Ternary.FALSE:
            raise PlanError(f"{_label(resource)}: {playbook.metadata.name} is not possible", constraint.reason)
