"""From a playbook bound to real resources to a plan that a person can review; everything is checked now."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.endpoints import is_aws_endpoint
from cloudops_nb.errors import PlanError
from cloudops_nb.execution.assembly import Findings, Request, assemble
from cloudops_nb.execution.authorisation import Authorisation, permissions_of
from cloudops_nb.execution.fingerprint import STATE, read_live, require_no_secret
from cloudops_nb.execution.managed_by import managed_by
from cloudops_nb.execution.observations import observe
from cloudops_nb.execution.plan import Target
from cloudops_nb.execution.program import nested_documents
from cloudops_nb.execution.rendering import Renderer, Scope
from cloudops_nb.execution.store_parameters import StoreParameters
from cloudops_nb.execution.validation import validate_step
from cloudops_nb.iam.principal import acting_principal
from cloudops_nb.model import Ternary
from cloudops_nb.understanding.environment import environment_class, most_careful

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from cloudops_nb.execution.documents import PlanDocuments
    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.fingerprint import Live
    from cloudops_nb.execution.plan import Plan, Step
    from cloudops_nb.execution.ports import Caller, Clients, Clock
    from cloudops_nb.model import Account, BoundPlaybook, Resource
    from cloudops_nb.ssm.catalogue import Playbook

#: The most targets that are changed at a time.
MOST_CONCURRENT = 10


class Preparer:
    """Makes plans; reads from AWS, changes nothing, keeps nothing."""

    def __init__(self, clients: Clients, executor: Executor, *, approval: timedelta, clock: Clock) -> None:
        self._clients = clients
        self._executor = executor
        self._approval = approval
        self._clock = clock
        self._authorisation = Authorisation(clients, executor)

    def prepare(self, request: Request, documents: PlanDocuments) -> Plan:
        """Return the plan; see :meth:`cloudops_nb.execution.engine.ExecutionEngine.prepare`.

        Args:
            request: The arguments of that method.
            documents: Finds the playbook and the documents that it runs; it remembers which were used.
        """
        bound = request.bound
        if not 1 <= request.max_concurrency <= MOST_CONCURRENT or request.max_errors < 0:
            why = f"max_concurrency is 1 to {MOST_CONCURRENT}, max_errors at least 0"
            raise PlanError("the rate does not fit", why)
        playbook = documents.playbook(bound.playbook)
        account_id, region = _place(bound, playbook, request.account)
        caller = self._clients.caller(account_id)
        require_account(caller, account_id)
        scope = Scope(account_id, region, caller.arn.split(":")[1], self._clock(), str(uuid.uuid4()))
        store = StoreParameters(self._executor, scope)
        renderer = Renderer(playbook, scope, documents, store)
        once = not bound.target_parameter
        identifiers = [""] if once else [each.identifier for each in bound.targets]
        parameters = [renderer.parameters(bound.parameters, identifier) for identifier in identifiers]
        lives = [None] * len(bound.targets) if once else [self._live(playbook, each, scope) for each in parameters]
        targets = [
            _target(playbook, request, resource, live) for resource, live in zip(bound.targets, lives, strict=True)
        ]
        programs = [renderer.program(each) for each in parameters]
        units = [""] if once else [target.arn for target in targets]
        answered = ("", "") if once else _answered(playbook)
        steps: list[Step] = []
        acted_on = [bound.targets] if once else [[each] for each in bound.targets]
        for program, unit, resources in zip(programs, units, acted_on, strict=True):
            steps += [
                self._authorisation.judge(
                    step, permissions_of(step, resources), account_id, scope.client_region, answered=answered
                )
                for step in renderer.steps(program, unit, unreviewed=request.override)
            ]
        warnings, endpoints = self._validated(steps, scope)
        observed = [
            each
            for program, unit in zip(programs, units, strict=True)
            if once or playbook.metadata.fingerprint is None
            for each in observe(program, unit, self._executor, scope)
        ]
        return assemble(
            Findings(
                request=request,
                playbook=playbook,
                scope=scope,
                principal=acting_principal(caller.arn).arn,
                parameters=_shown_parameters(playbook, parameters[0], bound.parameters),
                targets=targets,
                steps=steps,
                warnings=warnings,
                endpoints=endpoints,
                untagged=[target for target, live in zip(targets, lives, strict=True) if live and live.tags is None],
                store_parameters=store.parameters,
                observations=observed,
                nested=nested_documents(programs[0], scope.automation_id),
            ),
            expires=scope.created + self._approval,
        )

    def _live(self, playbook: Playbook, parameters: Mapping[str, Any], scope: Scope) -> Live | None:
        fingerprint = playbook.metadata.fingerprint
        if fingerprint is None:
            return None
        client = self._clients.client(scope.account_id, fingerprint.service, scope.client_region)
        require_no_secret(fingerprint, client.meta.service_model)
        return read_live(
            fingerprint,
            {**scope.variables(), **parameters},
            account_id=scope.account_id,
            region=scope.client_region,
            executor=self._executor,
        )

    def _validated(self, steps: Sequence[Step], scope: Scope) -> tuple[list[str], list[str]]:
        """Return the warnings about the steps' values, and the endpoints of the calls that are not AWS's own."""
        warnings: list[str] = []
        endpoints: set[str] = set()
        for step in steps:
            if step.api:
                client = self._clients.client(scope.account_id, step.service, scope.client_region)
                warnings += validate_step(step, client.meta.service_model)
                if not is_aws_endpoint(client.meta.endpoint_url):
                    endpoints.add(client.meta.endpoint_url)
        return warnings, sorted(endpoints)


def _answered(playbook: Playbook) -> tuple[str, str]:
    """Return service and API of the read that AWS has just answered for each target; empty if there was none."""
    read = playbook.metadata.fingerprint
    return (read.service, read.api) if read else ("", "")


def _shown_parameters(playbook: Playbook, all_values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are the same for each target: without the target's own and generated ones."""
    sources = playbook.metadata.parameters
    own = {playbook.metadata.target_parameter}
    own |= {name for name, source in sources.items() if source.template and name not in given}
    return {name: value for name, value in all_values.items() if name not in own}


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
    if not bound.target_parameter and playbook.metadata.target is None:
        if not bound.region:
            raise PlanError(f"{playbook.ref.id} has no region to run in", fix="Name a region.")
        places = {(account.account_id, bound.region)}
    if not places:
        raise PlanError("there is nothing to act on", "the playbook is bound to no resource")
    if len(places) > 1:
        raise PlanError("a plan has one account and one region", "make one plan for each")
    if len({each.canonical_key for each in bound.targets}) != len(bound.targets):
        raise PlanError("a resource is named twice", "a plan acts on each resource once")
    if bound.target_parameter != playbook.metadata.target_parameter:
        wanted = playbook.metadata.target_parameter
        raise PlanError(f"{playbook.ref.id} takes its resource as {wanted}, not {bound.target_parameter}")
    for each in bound.targets if playbook.metadata.target else ():
        kind = playbook.metadata.target.resource_type if playbook.metadata.target else ""
        if each.resource_type != kind:
            raise PlanError(f"{playbook.ref.id} acts on {kind}, not on {each.resource_type}")
    account_id, region = places.pop()
    if account.account_id and account.account_id != account_id:
        raise PlanError(f"the resource is in account {account_id}", f"{account.name} is account {account.account_id}")
    return account_id, region


def _target(playbook: Playbook, request: Request, resource: Resource, live: Live | None) -> Target:
    state = str(live.fingerprint.get(STATE, "")) if live else resource.state
    if live:
        _require_state(resource, state, playbook)
    if state == resource.state:
        _require_possible(resource, playbook)
    account, tags = request.account, (live.tags if live else None) or {}
    environments = (
        environment_class(
            label=account.environment,
            account_name=account.name,
            tags=each,
            name=resource.name or resource.identifier,
            tags_are_old=are_old,
        )
        for each, are_old in ((resource.tags, resource.tags_are_old), (tags, False))
    )
    return Target(
        identifier=resource.identifier,
        name=resource.name,
        resource_type=resource.resource_type,
        arn=resource.canonical_key,
        state=state,
        expected_state=playbook.metadata.expected_state,
        fingerprint=live.fingerprint if live else {},
        environment=most_careful(environments),
        managed_by=tuple(sorted({*managed_by(resource.tags), *managed_by(tags)})),
        dependents=tuple(request.dependents.get(resource.canonical_key, ())),
    )


def _label(resource: Resource) -> str:
    return resource.name or resource.identifier


def _require_state(resource: Resource, state: str, playbook: Playbook) -> None:
    metadata = playbook.metadata
    if not metadata.allowed_states or state in metadata.allowed_states:
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
