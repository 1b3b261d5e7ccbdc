"""The data that all parts share: resources, accounts, scan cells, and a playbook bound to targets.

All classes are frozen. ``Mapping`` fields count as immutable too: no code changes them after construction.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from cloudops_nb.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The public columns of ``CloudOps.resources``; ``CloudOps.search`` adds ``score`` and ``why``.
RESOURCE_COLUMNS = (
    "identifier", "name", "resource_type", "account_id", "account_name", "region", "service", "state", "arn", "tags",
    "allowed", "denied", "unknown", "as_of", "cell_state",
)  # fmt: skip


class Ternary(StrEnum):
    """True, false or unknown."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account as configured, with the principals that read and act in it.

    The reading principal: at most one of ``profile`` and ``role_arn`` is set; without either, the ambient credentials
    are used. ``source_profile`` is the profile from which ``role_arn`` is assumed (ambient credentials if empty).

    The acting principal: at most one of ``operate_profile`` and ``operate_role_arn`` is set; without either, it is the
    reading one. Plans run as the acting principal, and verdicts concern it. ``operate_role_arn`` is assumed from
    ``source_profile``, else from ``profile``.

    With ``organization_role`` the entry means every account of the AWS Organization: its own account, which may list
    them, and each other account, entered through the role of that name. ``operate_role_arn`` may then hold ``*`` in
    place of the account id.
    """

    name: str
    account_id: str = ""
    profile: str = ""
    role_arn: str = ""
    source_profile: str = ""
    environment: str = ""
    operate_profile: str = ""
    operate_role_arn: str = ""
    organization_role: str = ""

    @property
    def operating(self) -> Account:
        """The account as entered by the acting principal; the account itself if the reading principal acts."""
        if self.operate_profile:
            way = {"profile": self.operate_profile, "role_arn": "", "source_profile": ""}
        elif self.operate_role_arn:
            source = self.source_profile or self.profile
            way = {"profile": "", "role_arn": self.operate_role_arn, "source_profile": source}
        else:
            return self
        return replace(self, **way, operate_profile="", operate_role_arn="")


@dataclass(frozen=True, slots=True)
class Constraint:
    """Whether an operation on a resource is possible, and the reason as a sentence; empty if it is possible."""

    value: Ternary = Ternary.UNKNOWN
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Constraints:
    """The operations that a resource's configuration permits, apart from IAM, and facts that an operator weighs.

    ``facts`` holds further booleans, small counts and words, by the names in the resource type's declaration
    (``has_dependencies``, ``has_backups``, ``multi_az``, ``read_replicas``, ``protected`` …).
    """

    can_start: Constraint = Constraint()
    can_stop: Constraint = Constraint()
    can_delete: Constraint = Constraint()
    facts: Mapping[str, bool | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IamPermissions:
    """One principal's verdicts on the catalogue actions of a resource.

    ``allowed``, ``denied`` and ``unknown`` hold IAM action names (``ec2:StopInstances``) and are disjoint;
    ``reasons`` maps an action to the statement or layer that decided it.
    """

    allowed: Sequence[str] = ()
    denied: Sequence[str] = ()
    unknown: Sequence[str] = ()
    principal: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Relation:
    """A directed link to another resource, as ``Relation("in_subnet", "ec2_subnet", "subnet-0a1b")``.

    ``kind`` is one of the kinds in ``specs/relation_kinds.yaml``, which has the meaning of each.
    """

    kind: str
    resource_type: str
    identifier: str


@dataclass(frozen=True, slots=True)
class CellKey:
    """One unit of a scan: an account, a region (``global`` for global services) and a resource type."""

    account_id: str
    region: str
    resource_type: str

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}/{self.resource_type}"


class CellState(StrEnum):
    """The state of a cell; only ``ok`` and ``ok_empty`` remove resources that the scan did not see."""

    PENDING = "pending"
    RUNNING = "running"
    OK = "ok"
    OK_EMPTY = "ok_empty"
    DENIED = "denied"
    SCP_DENIED = "scp_denied"
    REGION_DISABLED = "region_disabled"
    SERVICE_UNAVAILABLE = "service_unavailable"
    THROTTLED = "throttled"
    TIMEOUT = "timeout"
    EXPIRED = "expired"
    PARTIAL = "partial"
    ERROR = "error"
    SUSPICIOUS_EMPTY = "suspicious_empty"

    @property
    def complete(self) -> bool:
        """Whether the cell saw every resource, so that a known resource it did not see is deleted."""
        return self in (CellState.OK, CellState.OK_EMPTY)


@dataclass(frozen=True, slots=True)
class CellResult:
    """The result of one cell: its end state, start (UTC), duration in seconds, counts, and the error in one line."""

    key: CellKey
    state: CellState
    started: datetime
    duration: float
    resources: int = 0
    calls: int = 0
    pages: int = 0
    retries: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LearnedRate:
    """The calls per second that AWS accepted for one group of a service's APIs in an account and region, and when."""

    account_id: str
    region: str
    service: str
    group: str
    per_second: float
    at: datetime

    @property
    def place(self) -> tuple[str, str, str, str]:
        """The scope of AWS's limit: account, region, service and group."""
        return self.account_id, self.region, self.service, self.group


@dataclass(frozen=True, slots=True)
class Resource:
    """One AWS resource as last seen.

    ``resource_type`` is the name in the type's declaration (``ec2_instance``, ``rds_instance``); ``service`` is
    botocore's name; ``region`` is ``global`` for global resources; ``state`` is AWS's own word, empty for a type
    without states; ``last_synced`` is in UTC.
    """

    resource_type: str
    identifier: str
    account_id: str
    region: str
    service: str
    arn: str = ""
    name: str = ""
    state: str = ""
    account_name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    iam: IamPermissions = IamPermissions()
    constraints: Constraints = Constraints()
    relations: Sequence[Relation] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    last_synced: datetime | None = None

    @property
    def cell(self) -> CellKey:
        """The scan cell that the resource belongs to."""
        return CellKey(self.account_id, self.region, self.resource_type)

    @property
    def canonical_key(self) -> str:
        """The key that identifies the resource across scans: its ARN, else account|region|service|type|id."""
        if self.arn:
            return self.arn
        return f"{self.account_id}|{self.region}|{self.service}|{self.resource_type}|{self.identifier}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-compatible data; ``last_synced`` as ISO 8601."""
        data = asdict(self)
        data["last_synced"] = self.last_synced.isoformat() if self.last_synced else None
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the resource that :meth:`to_dict` returned as data."""
        limits = {
            name: Constraint(Ternary(value["value"]), value["reason"])
            for name, value in data["constraints"].items()
            if name != "facts"
        }
        when = data["last_synced"]
        return cls(
            **{
                **data,
                "iam": IamPermissions(**data["iam"]),
                "constraints": Constraints(**limits, facts=data["constraints"]["facts"]),
                "relations": tuple(Relation(**relation) for relation in data["relations"]),
                "last_synced": datetime.fromisoformat(when) if when else None,
            }
        )


@dataclass(frozen=True, slots=True)
class ResourceFilter:
    """Equality filters over the estate; an empty field does not filter, and a resource must match all others.

    ``tags`` maps a key to a value; the value ``"*"`` means that the key must exist.
    """

    account: str = ""
    region: str = ""
    service: str = ""
    resource_type: str = ""
    state: str = ""
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, filters: Mapping[str, Any]) -> Self:
        """Return a filter from names and values; a value of ``None`` does not filter.

        Raises:
            ConfigurationError: A name is not a filter.
        """
        unknown = sorted(set(filters) - set(cls.__dataclass_fields__))
        if unknown:
            fix = f"Use {', '.join(cls.__dataclass_fields__)}."
            raise ConfigurationError(f"unknown filter {unknown[0]}", "", fix)
        return cls(**{name: value for name, value in filters.items() if value is not None})


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A resource found by a search, its score (higher is better, comparable within one search) and its matches."""

    resource: Resource
    score: float
    why: str
    cell_state: str = ""


@dataclass(frozen=True, slots=True)
class PlaybookRef:
    """One immutable version of a playbook, with the hash of its content."""

    id: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class BoundPlaybook:
    """The host's own copy of a playbook that the server chose, with real targets and parameter values.

    ``targets`` are in one account and one region. ``parameters`` holds every document parameter except
    ``target_parameter``, which receives the targets' identifiers. ``level`` is the risk as the server sees it.
    """

    playbook: PlaybookRef
    targets: Sequence[Resource]
    target_parameter: str
    parameters: Mapping[str, Any]
    level: str
    reasons: Sequence[str] = ()
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One decrypted record of the journal: its position in the chain, UTC time, kind, subject and content.

    ``subject`` is the id of the plan, execution or scan that the record concerns, by which records are found.
    """

    sequence: int
    at: datetime
    kind: str
    subject: str
    body: Mapping[str, Any]
