"""The data classes that all parts of the package share, for example accounts, resources and the results of a scan.

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

#: The columns of the DataFrame ``CloudOps.resources``. ``CloudOps.search`` adds the columns ``score`` and ``why``.
RESOURCE_COLUMNS = (
    "identifier", "name", "resource_type", "account_id", "account_name", "region", "service", "state", "arn", "tags",
    "allowed", "denied", "unknown", "allowed_by_account", "as_of", "last_read", "cell_state",
)  # fmt: skip
#: Parts of a resource in :attr:`Resource.last_read`: all its tags, and its own policy, of which only verdicts are kept.
TAGS, POLICY = "tags", "policy"


#: Metadata fields with a DNS name that AWS gave to the resource itself, by which other resources name it.
_DNS_FIELDS = ("dns_name", "domain_name", "endpoint", "reader_endpoint")


def normal_dns_name(text: str) -> str:
    """Return a DNS name without case, without the dot at its end, and without the ``dualstack.`` of load balancers."""
    return text.casefold().rstrip(".").removeprefix("dualstack.")


class Ternary(StrEnum):
    """True, false or unknown."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Account:
    """An AWS account as configured, and the credentials with which scans read it and plans change it.

    Scans use the credentials of the *reading principal*: those of ``profile``, or of the role ``role_arn``; at most one
    of the two fields is set. If neither is set, scans use the ambient credentials, which botocore finds without a
    profile. ``role_arn`` is assumed with the credentials of ``source_profile``, or with the ambient ones if that field
    is empty.

    Plans use the credentials of the *acting principal*: those of ``operate_profile``, or of the role
    ``operate_role_arn``; at most one of the two fields is set. If neither is set, the reading principal also acts.
    ``operate_role_arn`` is assumed with the credentials of ``source_profile``, or of ``profile`` if that field is
    empty, or with the ambient ones if both are. A scan evaluates the IAM permissions of the acting principal.

    If ``organization_role`` is set, the entry means every account of an AWS organization. The reading principal belongs
    to one of these accounts, and must be allowed to list the others. In each other account, scans assume the role with
    the name ``organization_role``. ``operate_role_arn`` may then contain ``*`` in place of the account id.

    ``external_id``, ``mfa_serial``, ``session_name`` and ``duration_seconds`` are parameters of every ``AssumeRole``
    call that the fields above cause. A duration of 0 means AWS's default.
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
    external_id: str = ""
    mfa_serial: str = ""
    session_name: str = ""
    duration_seconds: int = 0

    @property
    def operating(self) -> Account:
        """The account with its acting principal as the reading principal; unchanged if the two are the same."""
        if self.operate_profile:
            access: dict[str, Any] = {"profile": self.operate_profile, "role_arn": "", "source_profile": ""}
        elif self.operate_role_arn:
            source = self.source_profile or self.profile
            access = {"profile": "", "role_arn": self.operate_role_arn, "source_profile": source}
        else:
            return self
        return replace(self, **access, operate_profile="", operate_role_arn="")


@dataclass(frozen=True, slots=True)
class RefusedAccount:
    """A configured account that could not be entered, and whose id is unknown. ``reason`` is one line of text."""

    name: str
    state: CellState
    reason: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """Says whether an operation on a resource is possible. ``reason`` explains a value other than ``true``."""

    value: Ternary = Ternary.UNKNOWN
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Constraints:
    """The operations that a resource's configuration and state permit, whatever IAM permits, and facts about it.

    ``facts`` contains booleans, small counts and single words that an operator considers before a change. The names of
    the facts come from the resource type's declaration (``has_backups``, ``multi_az``, ``read_replicas`` …).
    """

    can_start: Constraint = Constraint()
    can_stop: Constraint = Constraint()
    can_delete: Constraint = Constraint()
    facts: Mapping[str, bool | int | str] = field(default_factory=dict)


_OUTCOMES = ("allowed", "denied", "unknown")


@dataclass(frozen=True, slots=True)
class IamPermissions:
    """Says which actions one principal may perform on one resource; the resource's type declares the actions.

    ``allowed``, ``denied`` and ``unknown`` are disjoint and contain IAM action names (``ec2:StopInstances``).
    ``reasons`` maps an action to the policy statement or the kind of policy that decided it, or to the reason why
    it is unknown. ``allowed_by_account`` contains those of ``unknown`` that are allowed unless the organisation denies
    them. It informs people; no decision depends on it.
    """

    allowed: Sequence[str] = ()
    denied: Sequence[str] = ()
    unknown: Sequence[str] = ()
    principal: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    allowed_by_account: Sequence[str] = ()

    def with_denied(self, actions: Sequence[str], reason: str) -> IamPermissions:
        """Return a copy in which those of the actions that it contains are denied for a reason."""
        return self._moved("denied", actions, reason)

    def with_unknown(self, actions: Sequence[str], reason: str) -> IamPermissions:
        """Return a copy in which those of the actions that it contains are unknown for a reason."""
        return self._moved("unknown", actions, reason)

    def _moved(self, outcome: str, actions: Sequence[str], reason: str) -> IamPermissions:
        moved = [each for each in (*self.allowed, *self.denied, *self.unknown) if each in actions]
        if not moved:
            return self
        lists = {name: [each for each in getattr(self, name) if each not in moved] for name in _OUTCOMES}
        lists[outcome] += moved
        return replace(
            self,
            allowed=tuple(lists["allowed"]),
            denied=tuple(lists["denied"]),
            unknown=tuple(lists["unknown"]),
            reasons={**self.reasons, **dict.fromkeys(moved, reason)},
            allowed_by_account=tuple(each for each in self.allowed_by_account if each not in moved),
        )


@dataclass(frozen=True, slots=True)
class Relation:
    """A link from one resource to another, such as ``Relation("in_subnet", "ec2_subnet", "subnet-0a1b")``.

    ``kind`` is a name in ``specs/relation_kinds.yaml``, which explains each kind. The other fields are those of the
    resource to which the link points. ``arn`` is empty if AWS named the resource otherwise; ``account_id`` and
    ``region`` are empty if AWS did not say them and the identifier is unique without them. A DNS name that AWS gave to
    the resource may stand for its identifier.
    """

    kind: str
    resource_type: str
    identifier: str
    account_id: str = ""
    region: str = ""
    arn: str = ""

    def points_to(self, resource: Resource) -> bool:
        """Return whether the link points to this resource."""
        if self.resource_type != resource.resource_type:
            return False
        if self.arn:
            return self.arn == resource.arn
        if self.identifier in resource.dns_names:
            return True
        place = (self.account_id or resource.account_id, self.region or resource.region)
        return self.identifier == resource.identifier and place == (resource.account_id, resource.region)


@dataclass(frozen=True, slots=True)
class CellKey:
    """Identifies a *cell*, a unit of a scan: an account, a region (``global`` for global services), a resource type."""

    account_id: str
    region: str
    resource_type: str

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}/{self.resource_type}"


class CellState(StrEnum):
    """The state of a cell. After ``ok`` and ``ok_empty``, the store drops the resources that the scan did not see.

    After any other state, it keeps them.
    """

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
    NOT_CONFIGURED = "not_configured"

    @property
    def complete(self) -> bool:
        """Whether the scan saw every resource of the cell, so that the store drops other resources of the cell."""
        return self in (CellState.OK, CellState.OK_EMPTY)


@dataclass(frozen=True, slots=True)
class CellResult:
    """The result of reading one cell.

    ``started`` is in UTC and ``duration`` in seconds. ``detail`` says in one line what failed, what is missing, and
    which regions were assumed.
    """

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

    ``resource_type`` and ``service`` are the names in the type's declaration (``ec2_instance`` and ``ec2``). ``region``
    is ``global`` for a resource without a region. ``state`` is AWS's own word; it is empty for a type without states.
    ``account_environment`` is the account's configured environment, empty if it has none. ``last_synced`` is the UTC
    time at which the scan saw the resource.

    ``last_read`` names the parts that this scan could not or did not read, such as :data:`TAGS`, ``facts.encrypted``,
    ``relations.in_vpc.ec2_vpc``, ``metadata.engine`` and :data:`POLICY`. Each has the time in ISO 8601 at which AWS
    last gave it, and the resource still has its value of that time; a part that was never read has an empty time.
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
    account_environment: str = ""
    last_read: Mapping[str, str] = field(default_factory=dict)

    @property
    def dns_names(self) -> tuple[str, ...]:
        """The DNS names of the resource itself, in the form of :func:`normal_dns_name`."""
        found = (self.metadata.get(name) for name in _DNS_FIELDS)
        return tuple(normal_dns_name(each) for each in found if isinstance(each, str) and each)

    @property
    def tags_are_old(self) -> bool:
        """Whether the tags are those of an earlier scan, because this one could not read them."""
        return bool(self.last_read.get(TAGS))

    @property
    def cell(self) -> CellKey:
        """The cell of a scan to which the resource belongs."""
        return CellKey(self.account_id, self.region, self.resource_type)

    @property
    def canonical_key(self) -> str:
        """A text that identifies the resource in every scan: the ARN, else account|region|service|type|identifier."""
        if self.arn:
            return self.arn
        return f"{self.account_id}|{self.region}|{self.service}|{self.resource_type}|{self.identifier}"

    def to_dict(self) -> dict[str, Any]:
        """Return the resource as data that JSON can represent; ``last_synced`` becomes a text in ISO 8601."""
        data = asdict(self)
        data["last_synced"] = self.last_synced.isoformat() if self.last_synced else None
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the resource for which :meth:`to_dict` returned ``data``."""
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
    """A filter for resources. A resource passes if it has the value of each field that is not empty.

    ``account`` is an account's id or name. ``tags`` maps tag keys to tag values; ``"*"`` stands for any value.
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
        """Return the filter with these field values; a field whose value is ``None`` does not filter.

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
    """Identifies one version of a playbook, which never changes; ``sha256`` is the hash of its content."""

    id: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class BoundPlaybook:
    """A playbook that was chosen for a request or a rollback, with real targets and parameter values.

    The playbook comes from the notebook host's own catalogue. A plan requires that all ``targets`` are in one account
    and region. ``target_parameter`` is the parameter that gets the identifiers of the targets. ``parameters`` contains
    the known values of other parameters; the rest are added when the plan is made. ``level`` is the assessed risk:
    ``low``, ``medium``, ``high`` or ``critical``.

    A document without a target parameter has an empty ``target_parameter``. It runs once, in ``region``; its
    ``targets`` are then the known resources that its parameters name, perhaps none.
    """

    playbook: PlaybookRef
    targets: Sequence[Resource]
    target_parameter: str
    parameters: Mapping[str, Any]
    level: str
    reasons: Sequence[str] = ()
    explanation: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One decrypted record of the journal. ``sequence`` is its number in the journal, and ``at`` is in UTC.

    ``subject`` is the id of the plan, execution or scan that the record is about. The journal can be searched for it.
    """

    sequence: int
    at: datetime
    kind: str
    subject: str
    body: Mapping[str, Any]
