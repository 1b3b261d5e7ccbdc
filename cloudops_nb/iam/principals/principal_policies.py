"""What evaluation takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.iam.policies.policy import Policy
    from cloudops_nb.iam.principal import Principal


@dataclass(frozen=True)
class Unreadable:
    """Policies that exist, or may exist, and were not read; ``why`` in one line."""

    why: str


#: The policies of a layer; one of them may be unreadable by itself.
Policies: TypeAlias = "Sequence[Policy | Unreadable]"
#: An organization's policies at each level from the root to the account.
Levels: TypeAlias = "Sequence[Policies]"


@dataclass(frozen=True)
class PrincipalPolicies:
    """Everything that decides what a principal may do, apart from the resource.

    Attributes:
        principal: Who acts. A role whose path is not known says so in its ``note``; one without an ARN is not known.
        tags: The tags of the role or user. ``None`` if they, or those that the session was opened with, are not known.
        identity: The policies of the role, or of the user and its groups.
        boundary: The permissions boundary, ``None`` if there is none.
        service_control: ``None`` outside organizations and in their management accounts.
        resource_control: Those for the principal's own account; ``None`` as above.
        session: The policies of the session, ``None`` if it was opened without.
        known_context: Condition keys whose values are known; without any value a key is known to be absent.
    """

    principal: Principal
    tags: Mapping[str, str] | None
    identity: Policies | Unreadable
    boundary: Policy | Unreadable | None = None
    service_control: Levels | Unreadable | None = None
    resource_control: Levels | Unreadable | None = None
    session: Policies | Unreadable | None = None
    known_context: Mapping[str, Sequence[str]] = field(default_factory=dict)
