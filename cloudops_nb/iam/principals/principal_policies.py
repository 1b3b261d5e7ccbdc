"""The policies of one principal, by layer: the input of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.iam.policies.policy import Policy
    from cloudops_nb.iam.principal import Principal


@dataclass(frozen=True)
class Unreadable:
    """Policies that exist, or may exist, but could not be read; ``why`` is the reason in one line."""

    why: str


#: The policies of one layer; each may be unreadable.
Policies: TypeAlias = "Sequence[Policy | Unreadable]"
#: An organization's policies, one entry per level from the root to the account.
Levels: TypeAlias = "Sequence[Policies]"


@dataclass(frozen=True)
class PrincipalPolicies:
    """Every policy that decides what a principal may do, except the resources' own policies.

    Attributes:
        principal: The acting principal; an empty ARN means that it is not known. Its ``note`` says so if a role's path
            is not known.
        tags: The tags of the role or user; ``None`` if they, or the tags of the session, are not known.
        identity: The policies of the role, or of the user and its groups.
        boundary: The permissions boundary; ``None`` if there is none.
        service_control: The service control policies; ``None`` outside organizations and in management accounts.
        resource_control: The resource control policies of the principal's own account; ``None`` in the same cases.
        session: The session policies; ``None`` if the session was opened without session policies.
        known_context: The values of known condition keys; no values mean that the key is known to be absent.
    """

    principal: Principal
    tags: Mapping[str, str] | None
    identity: Policies | Unreadable
    boundary: Policy | Unreadable | None = None
    service_control: Levels | Unreadable | None = None
    resource_control: Levels | Unreadable | None = None
    session: Policies | Unreadable | None = None
    known_context: Mapping[str, Sequence[str]] = field(default_factory=dict)
