"""What a plan, an approval and an execution's events are: frozen data, and the hashes that bind them.

``intent_hash`` covers what would be done (account, region, acting principal, playbook, targets, parameters, steps,
allowed states, concurrency). ``plan_hash`` covers the intent, the live state it was shown with, and when it expires.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cloudops_nb.understanding.environment import PRODUCTION, UNKNOWN

if TYPE_CHECKING:
    from cloudops_nb.model import PlaybookRef

#: The form of plans that this version makes and runs.
PLAN_FORMAT = 2


class Effect(StrEnum):
    """What an API does to the world, from the reviewed table; ordered by :data:`EFFECT_ORDER`."""

    READ = "read"
    MODIFY = "modify"
    DESTRUCTIVE = "destructive"


class Level(StrEnum):
    """How much could go wrong; ordered by :data:`LEVEL_ORDER`."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


EFFECT_ORDER = tuple(Effect)
LEVEL_ORDER = tuple(Level)


class Channel(StrEnum):
    """How an approval was given; ``api`` is not a person."""

    CARD = "card"
    TERMINAL = "terminal"
    SIGNATURE = "signature"
    API = "api"


class PlanStatus(StrEnum):
    """The life of a plan and of its execution."""

    DRAFT = "draft"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    REJECTED = "rejected"
    EXPIRED = "expired"


class StepStatus(StrEnum):
    """The life of one step on one target."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    OUTCOME_UNKNOWN = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class Target:
    """One resource a plan acts on: what it is, its live state when the plan was made, and the state expected after.

    ``fingerprint`` is the playbook's own projection of the live Describe answer; drift is a change in it.
    ``managed_by`` names another controller that owns the resource (a CloudFormation stack, an Auto Scaling group …).
    """

    identifier: str
    name: str
    resource_type: str
    arn: str
    state: str
    expected_state: str
    fingerprint: Mapping[str, Any]
    environment: str = ""
    managed_by: Sequence[str] = ()
    dependents: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step on one target, with its parameters as known before the run.

    Attributes:
        name: Its path: ``parent/step`` inside a loop, a composite action or a nested document.
        action: As ``aws:executeAwsApi``.
        target: The target's ARN; empty in a plan that runs once for all its targets.
        service: botocore's name of the service; empty for a step that calls nothing (``aws:sleep``, ``aws:branch``).
        api: The operation, as ``StopDBInstance``; empty likewise.
        parameters: Of the API, else the inputs of the action. Values of the run stay as ``{{ step.output }}``.
        effect: What the API does.
        cli: The equivalent command, for reading.
        iam: The verdict on the step's action: ``allowed``, ``denied`` or ``unknown``.
        iam_reason: The reason for the verdict.
        expects: What the step waits for, or its description.
        at_most: How often it can run on one target, because loops or branches repeat it.
        reviewed: Whether the effect of its API was reviewed.
    """

    name: str
    action: str
    target: str
    service: str
    api: str
    parameters: Mapping[str, Any]
    effect: Effect
    cli: str = ""
    iam: str = "unknown"
    iam_reason: str = ""
    expects: str = ""
    at_most: int = 1
    reviewed: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """A check made before approval or after the run: what, when (``before`` | ``after``), and how it came out."""

    what: str
    when: str
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Rollback:
    """The way back: the playbook that undoes this one (empty when there is none), and the plain truth in a sentence."""

    playbook: str
    note: str


@dataclass(frozen=True, slots=True)
class StoreParameter:
    """A parameter of Parameter Store that a plan uses, as it was when the plan was made."""

    name: str
    type: str
    value: str
    version: int

    @property
    def usable(self) -> str | list[str]:
        """The value as a document sees it."""
        return self.value.split(",") if self.type == "StringList" else self.value


@dataclass(frozen=True, slots=True)
class Observation:
    """A property that a document checks before its first change, as it was when the plan was made.

    ``path`` is the step's; ``wanted`` its desired values as text; ``problem`` AWS's word for why the property could not
    be read; ``target`` the target's ARN, empty in a plan that runs once.
    """

    path: str
    call: str
    selector: str
    value: Any
    wanted: str
    holds: bool
    problem: str = ""
    target: str = ""

    @property
    def text(self) -> str:
        """The property for a message."""
        return self.problem or ("absent" if self.value is None else str(self.value))


@dataclass(frozen=True, slots=True)
class NestedDocument:
    """A document that a step of the plan runs; ``path`` is the step's."""

    path: str
    playbook: PlaybookRef
    automation_id: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """An exact, reviewable plan in one account and one region; nothing in it is decided later.

    ``hash`` and ``intent_hash`` are recomputed before anything runs, see :func:`intent_hash` and :func:`plan_hash`.
    ``phrase`` is what a person must type for a destructive plan, empty otherwise. ``once`` says that the steps run once
    for all targets together, and not once for each. ``automation_id`` is the value of Automation's variable
    ``automation:EXECUTION_ID``. A plan that an earlier version of the package made has a lower ``format`` and can be
    read, but not run.
    """

    id: str
    hash: str
    intent_hash: str
    created: datetime
    expires: datetime
    playbook: PlaybookRef
    title: str
    account_id: str
    account_name: str
    region: str
    environment: str
    principal: str
    target_states: Sequence[Target]
    parameters: Mapping[str, Any]
    steps: Sequence[Step]
    allowed_states: Sequence[str]
    effect: Effect
    level: Level
    reasons: Sequence[str]
    rollback: Rollback
    checks: Sequence[Check]
    explanation: str
    phrase: str = ""
    not_checked: Sequence[str] = ()
    max_concurrency: int = 1
    max_errors: int = 0
    replaces: str = ""
    rolls_back: str = ""
    once: bool = False
    automation_id: str = ""
    store_parameters: Sequence[StoreParameter] = ()
    observations: Sequence[Observation] = ()
    nested: Sequence[NestedDocument] = ()
    format: int = PLAN_FORMAT

    @property
    def units(self) -> Sequence[str]:
        """What the steps run on, one after the other: each target's ARN, or an empty text if they run once."""
        return ("",) if self.once else self.targets

    @property
    def targets(self) -> Sequence[str]:
        """The ARNs the plan acts on."""
        return tuple(target.arn for target in self.target_states)

    @property
    def production(self) -> bool:
        """Whether the account or any target is production."""
        return PRODUCTION in {self.environment, *(target.environment for target in self.target_states)}

    @property
    def of_unknown_environment(self) -> bool:
        """Whether the environment of any target is unknown, because neither its account nor its tags name one.

        A document that runs once may act on more than its known targets, so its account counts too.
        """
        own = [self.environment] if self.once else []
        return UNKNOWN in {*own, *(target.environment for target in self.target_states)}


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's consent to one plan: single use, bound to ``plan_hash``, and of limited life."""

    id: str
    plan_id: str
    plan_hash: str
    channel: Channel
    by: str
    reason: str
    at: datetime
    expires: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in an execution.

    ``kind`` is one of started, step_started, output, poll, step_completed, step_failed, step_skipped, completed,
    failed, cancelled, timeout; ``data`` is JSON-ready and already redacted.
    """

    at: datetime
    kind: str
    execution_id: str
    step: str = ""
    target: str = ""
    message: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def canonical_json(value: Any) -> bytes:
    """Return the one byte form of JSON-ready data: sorted keys, no white space, times in UTC ISO 8601.

    Raises:
        TypeError: A value has no one form: bytes, a key that is no string, a number that is not finite.
    """
    return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _canonical(value: Any) -> Any:
    match value:
        case Mapping():
            if not all(isinstance(key, str) for key in value):
                raise TypeError("a key that is no string has no canonical form")
            return {key: _canonical(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_canonical(inner) for inner in value]
        case datetime():
            return value.astimezone(UTC).isoformat()
        case float() if not math.isfinite(value):
            raise TypeError("a number that is not finite has no canonical form")
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"{type(value).__name__} has no canonical form")


def intent_hash(plan: Plan) -> str:
    """Return the hash of what the plan would do, whatever the state it finds and whenever it runs.

    The values of ``automation:EXECUTION_ID`` are random, so they count by their place only.
    """
    return _digest(
        "intent",
        {
            "account": plan.account_id,
            "region": plan.region,
            "principal": plan.principal,
            "playbook": asdict(plan.playbook),
            "targets": [[target.arn, target.identifier, target.resource_type] for target in plan.target_states],
            "parameters": plan.parameters,
            "steps": [[s.name, s.action, s.target, s.service, s.api, s.parameters, s.effect] for s in plan.steps],
            "allowed_states": list(plan.allowed_states),
            "effect": plan.effect,
            "level": plan.level,
            "environment": [plan.environment, [target.environment for target in plan.target_states]],
            "phrase": plan.phrase,
            "rate": [plan.max_concurrency, plan.max_errors],
            "rolls_back": plan.rolls_back,
            "at_most": [step.at_most for step in plan.steps],
            "reviewed": [step.reviewed for step in plan.steps],
            "once": plan.once,
            "store_parameters": [asdict(parameter) for parameter in plan.store_parameters],
            "nested": [asdict(document) for document in plan.nested],
            "format": plan.format,
        },
        [plan.automation_id, *(document.automation_id for document in plan.nested)],
    )


def plan_hash(plan: Plan) -> str:
    """Return the hash an approval names: the intent, the live state shown, and the expiry."""
    return _digest(
        "plan",
        {
            "intent": intent_hash(plan),
            "fingerprints": [target.fingerprint for target in plan.target_states],
            "observations": [asdict(each) for each in plan.observations],
            "expires": plan.expires,
            "automation_id": plan.automation_id,
        },
    )


def _digest(domain: str, value: Any, run_ids: Sequence[str] = ()) -> str:
    content = canonical_json(value)
    for number, run_id in enumerate(filter(None, run_ids)):
        content = content.replace(run_id.encode(), f"run-{number}".encode())
    return hashlib.sha256(f"cloudops/{domain}/{PLAN_FORMAT}\0".encode() + content).hexdigest()
