"""Putting together a plan from what was found: its words, its checks, its level and its hashes."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.authorisation import ALLOWED
from cloudops_nb.execution.plan import Check, Effect, Level, Plan, Rollback, intent_hash, plan_hash
from cloudops_nb.execution.risk import assess, highest_effect, highest_level
from cloudops_nb.iam.access_levels import api_level
from cloudops_nb.model import Ternary
from cloudops_nb.ssm.prerequisites import judge
from cloudops_nb.understanding.environment import PRODUCTION, environment_class

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from cloudops_nb.execution.plan import NestedDocument, Observation, Step, StoreParameter, Target
    from cloudops_nb.execution.rendering import Scope
    from cloudops_nb.model import Account, BoundPlaybook
    from cloudops_nb.ssm.catalogue import Playbook
    from cloudops_nb.ssm.metadata import Prerequisite

#: A typed phrase of more names than this proves patience, not attention.
_NAMES_IN_PHRASE = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What a plan is asked for; the fields are the arguments of :meth:`ExecutionEngine.prepare`."""

    bound: BoundPlaybook
    account: Account
    dependents: Mapping[str, Sequence[str]]
    rolls_back: str = ""
    replaces: str = ""
    override: bool = False
    max_concurrency: int = 1
    max_errors: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """What was looked up for a plan.

    ``warnings`` are values that AWS's model does not know; ``endpoints`` are those of calls that do not go to AWS;
    ``untagged`` the targets whose live answer has no tags.
    """

    request: Request
    playbook: Playbook
    scope: Scope
    principal: str
    parameters: Mapping[str, Any]
    targets: Sequence[Target]
    steps: Sequence[Step]
    warnings: Sequence[str]
    endpoints: Sequence[str]
    untagged: Sequence[Target]
    store_parameters: Sequence[StoreParameter] = ()
    observations: Sequence[Observation] = ()
    nested: Sequence[NestedDocument] = ()


def assemble(found: Findings, *, expires: datetime) -> Plan:
    """Return the plan, with its hashes."""
    metadata, account, bound = found.playbook.metadata, found.request.account, found.request.bound
    effect = highest_effect(step.effect for step in found.steps)
    environment = environment_class(label=account.environment, account_name=account.name)
    production = PRODUCTION in {environment, *(target.environment for target in found.targets)}
    level, reasons = assess(metadata, effect, found.targets, production=production)
    draft = Plan(
        id=str(uuid.uuid4()),
        hash="",
        intent_hash="",
        created=found.scope.created,
        expires=expires,
        playbook=found.playbook.ref,
        title=": ".join(
            filter(None, (metadata.name, ", ".join(target.name or target.identifier for target in found.targets)))
        ),
        account_id=found.scope.account_id,
        account_name=account.name,
        region=found.scope.region,
        environment=environment,
        principal=found.principal,
        target_states=tuple(found.targets),
        parameters=dict(found.parameters),
        steps=tuple(found.steps),
        allowed_states=tuple(metadata.allowed_states),
        effect=effect,
        level=highest_level((level, Level(bound.level))),
        reasons=tuple(dict.fromkeys((*reasons, *bound.reasons))),
        rollback=Rollback(metadata.rollback.playbook, metadata.rollback.note),
        checks=tuple(_checks(found)),
        explanation=bound.explanation,
        phrase=_phrase(found) if effect is Effect.DESTRUCTIVE else "",
        not_checked=tuple(_not_checked(found)),
        max_concurrency=found.request.max_concurrency,
        max_errors=found.request.max_errors,
        replaces=found.request.replaces,
        rolls_back=found.request.rolls_back,
        once=not bound.target_parameter,
        automation_id=found.scope.automation_id,
        store_parameters=tuple(found.store_parameters),
        observations=tuple(found.observations),
        nested=tuple(found.nested),
    )
    return replace(draft, hash=plan_hash(draft), intent_hash=intent_hash(draft))


def _phrase(found: Findings) -> str:
    names = [target.identifier for target in found.targets] or [found.playbook.ref.id]
    if len(names) > _NAMES_IN_PHRASE:
        names = [f"{len(names)} {found.targets[0].resource_type} from {names[0]} to {names[-1]}"]
    return " ".join((*found.playbook.metadata.intents[:1], *names))


def _checks(found: Findings) -> Iterator[Check]:
    metadata = found.playbook.metadata
    yield Check("the credentials are of the plan's account", "before", "passed")
    for target in found.targets if metadata.allowed_states else ():
        wanted = " or ".join(metadata.allowed_states)
        yield Check(f"{target.name or target.identifier} is {wanted}", "before", f"passed: {target.state}")
    for resource in found.request.bound.targets:
        for name in metadata.constraints:
            constraint = getattr(resource.constraints, name)
            outcome = "passed" if constraint.value is Ternary.TRUE else f"unknown: {constraint.reason}".rstrip(": ")
            yield Check(f"{resource.name or resource.identifier}: {name}", "before", outcome)
    yield Check("every call fits AWS's model of its API", "before", "passed")
    elsewhere = f"no: {', '.join(found.endpoints)}" if found.endpoints else "passed"
    yield Check("every call goes to an endpoint of AWS", "before", elsewhere)
    for step in found.steps:
        if step.effect is not Effect.READ:
            yield Check(f"{step.service}:{step.api} is permitted", "before", f"{step.iam}: {step.iam_reason}")
    for observed in found.observations:
        outcome = "passed" if observed.holds else "not now"
        wanted = f"{observed.call} {observed.selector} is {observed.wanted}"
        yield Check(wanted, "before", f"{outcome}: {observed.text}")
    for parameter in found.store_parameters:
        what = f"the parameter {parameter.name} of Parameter Store is read"
        yield Check(what, "before", f"passed: version {parameter.version}")
    for prerequisite in metadata.prerequisites:
        yield Check(prerequisite.text, "before", _judged(prerequisite, found))
    for criterion in metadata.success_criteria:
        yield Check(criterion, "after")


def _judged(prerequisite: Prerequisite, found: Findings) -> str:
    """Return whether a prerequisite is met, and which targets violate it."""
    verdicts = {
        target.name or target.identifier: judge(prerequisite, target.fingerprint, resource.constraints)
        for target, resource in zip(found.targets, found.request.bound.targets, strict=True)
    }
    if violating := [name for name, verdict in verdicts.items() if verdict == "violated"]:
        return f"violated: {', '.join(violating)}"
    return "met" if verdicts and set(verdicts.values()) == {"met"} else "unknown: for the reader to judge"


def _unreviewed(steps: Sequence[Step]) -> Iterator[str]:
    for service, api in dict.fromkeys((step.service, step.api) for step in steps if not step.reviewed):
        yield f"{service}:{api}: not reviewed; AWS publishes its access level as {api_level(service, api)}"


def _not_compared(found: Findings) -> Iterator[str]:
    if not found.observations and not any(target.fingerprint for target in found.targets):
        yield "the live state: the document checks none before its first change"


def _not_checked(found: Findings) -> Iterator[str]:
    yield from found.warnings
    if found.request.override:
        yield "the playbook's lifecycle and unreviewed APIs: overridden"
    if found.playbook.document.assume_role:
        yield f"assumeRole: the calls are made as {found.principal}"
    yield from _not_compared(found)
    yield from _unreviewed(found.steps)
    for step in found.steps:
        if step.iam != ALLOWED and step.effect is not Effect.READ:
            yield f"permission for {step.service}:{step.api}: {step.iam}, {step.iam_reason}"
    for target in found.untagged:
        yield f"the tags of {target.name or target.identifier} now: AWS's answer shows none, the last scan's count"
    for resource, target in zip(found.request.bound.targets, found.targets, strict=True):
        label = target.name or target.identifier
        if resource.state != target.state and found.playbook.metadata.constraints:
            limits = ", ".join(found.playbook.metadata.constraints)
            yield f"{limits} of {label}: it was {resource.state or 'unknown'} when scanned"
        if unread := resource.metadata.get("unread"):
            yield f"{', '.join(sorted(unread))} of {label}: the scan could not read it"
        if target.arn not in found.request.dependents:
            yield f"what depends on {label}"
