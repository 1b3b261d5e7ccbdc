"""The data classes that all parts of the package share: accounts, resources, scan cells, and playbooks with targets.

All classes are frozen, and no code changes the mappings in their fields.
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

    Scans run as the reading principal. It comes from ``profile`` or ``role_arn``, of which at most one is set, else
    from the ambient credentials. ``role_arn`` is assumed with the credentials of ``source_profile``, else with the
    ambient ones.

    Plans run as the acting principal, and IAM verdicts are about that principal. It comes from ``operate_profile`` or
    ``operate_role_arn``, of which at most one is set, else it is the reading principal. ``operate_role_arn`` is assumed
    with the credentials of ``source_profile``, else of ``profile``, else with the ambient ones.

    With ``organization_role`` the entry means every account of an AWS organization: the entry's own account, which must
    be able to list the others, and each other account, entered through the role of that name. ``operate_role_arn`` may
    then contain ``*`` in place of the account id.
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
        """The account with the acting principal as its reading principal; unchanged if the two are the same."""
        if self.operate_profile:
            access = {"profile": self.operate_profile, "role_arn": "", "source_profile": ""}
        elif self.operate_role_arn:
            source = self.source_profile or self.profile
            access = {"profile": "", "role_arn": self.operate_role_arn, "source_profile": source}
        else:
            return self
        return replace(self, **access, operate_profile="", operate_role_arn="")


@dataclass(frozen=True, slots=True)
class Constraint:
    """Whether an operation on a resource is possible, and if not or if unknown, the reason as a sentence."""

    value: Ternary = Ternary.UNKNOWN
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Constraints:
    """The operations that a resource's configuration and state permit, regardless of IAM, and facts to consider.

    ``facts`` contains booleans, small counts and single words that an operator considers before a change. Their names
    come from the resource type's declaration (``has_backups``, ``multi_az``, ``read_replicas``, ``protected`` …).
    """

    can_start: Constraint = Constraint()
    can_stop: Constraint = Constraint()
    can_delete: Constraint = Constraint()
    facts: Mapping[str, bool | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IamPermissions:
    """Whether one principal may perform the actions that the resource type declares, on one resource.

    ``allowed``, ``denied`` and ``unknown`` are disjoint and contain IAM action names (``ec2:StopInstances``).
    ``reasons`` maps an action to the policy statement or the kind of policy that decided it.
    """

    allowed: Sequence[str] = ()
    denied: Sequence[str] = ()
    unknown: Sequence[str] = ()
    principal: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Relation:
    """A link from one resource to another, such as ``Relation("in_subnet", "ec2_subnet", "subnet-0a1b")``.

    ``kind`` is a name in ``specs/relation_kinds.yaml``, which explains each kind.
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
    """The state of a cell. Only ``ok`` and ``ok_empty`` remove resources that the scan did not see from the store."""

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
        """Whether the scan saw every resource of the cell. A known resource that it did not see is then deleted."""
        return self in (CellState.OK, CellState.OK_EMPTY)


@dataclass(frozen=True, slots=True)
class CellResult:
    """The result of one cell: state, start (UTC), duration (seconds), counts, and the error in one line."""

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
    """The calls per second that AWS accepts for one group of a service's operations in an account and region.

    ``at`` is the UTC time at which the rate was learned.
    """

    account_id: str
    region: str
    service: str
    group: str
    per_second: float
    at: datetime

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What the rate applies to: account, region, service and group of operations."""
        return self.account_id, self.region, self.service, self.group


@dataclass(frozen=True, slots=True)
class Resource:
    """One AWS resource as a scan last saw it.

    ``resource_type`` is the name in the type's declaration (``ec2_instance``, ``rds_instance``), and ``service`` the
    service's name there. ``region`` is ``global`` for a resource without a region. ``state`` is AWS's own word, empty
    for a type without states. ``last_synced`` is in UTC.
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
        """The key that is the same in every scan: the ARN, else account|region|service|type|identifier."""
        if self.arn:
            return self.arn
        return f"{self.account_id}|{self.region}|{self.service}|{self.resource_type}|{self.identifier}"

    def to_dict(self) -> dict[str, Any]:
        """Return data that JSON can represent, with ``last_synced`` as ISO 8601."""
        data = asdict(self)
        data["last_synced"] = self.last_synced.isoformat() if self.last_synced else None
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the resource from the data that :meth:`to_dict` returned."""
        constraints = {
            name: Constraint(Ternary(value["value"]), value["reason"])
            for name, value in data["constraints"].items()
            if name != "facts"
        }
        last_synced = data["last_synced"]
        return cls(
            **{
                **data,
                "iam": IamPermissions(**data["iam"]),
                "constraints": Constraints(**constraints, facts=data["constraints"]["facts"]),
                "relations": tuple(Relation(**relation) for relation in data["relations"]),
                "last_synced": datetime.fromisoformat(last_synced) if last_synced else None,
            }
        )


@dataclass(frozen=True, slots=True)
class ResourceFilter:
    """A filter for resources: a resource must have the value of every field that is not empty.

    ``tags`` maps keys to values; the value ``"*"`` matches every value of the key.
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
        """Return a filter from field names and values; a value of ``None`` does not filter.

        Raises:
            ConfigurationError: A name is not a field of the filter.
        """
        unknown = sorted(set(filters) - set(cls.__dataclass_fields__))
        if unknown:
            fix = f"Use {', '.join(cls.__dataclass_fields__)}."
            raise ConfigurationError(f"unknown filter {unknown[0]}", "", fix)
        return cls(**{name: value for name, value in filters.items() if value is not None})


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A resource that a search found.

    A higher ``score`` is a better match; scores of different searches cannot be compared. ``why`` says what matched,
    and ``cell_state`` is the state of the resource's cell in the last scan.
    """

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
    """A playbook that the server chose, from the notebook host's own copy, with real targets and parameter values.

    All ``targets`` are in one account and region. ``parameters`` contains every parameter of the document except
    ``target_parameter``, whose value is the identifiers of the targets. ``level`` is the server's assessment of the
    risk.
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
    """One decrypted record of the journal: its number in the chain, UTC time, kind, subject and content.

    ``subject`` is the id of the plan, execution or scan that the record is about; records can be found by it.
    """

    sequence: int
    at: datetime
    kind: str
    subject: str
    body: Mapping[str, Any]
