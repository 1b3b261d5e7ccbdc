"""The policies of one principal, by kind: the input of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloudops_nb.iam.policies.policy import Policy
    from cloudops_nb.iam.principal import Principal


@dataclass(frozen=True)
class Unreadable:
    """Replaces policies that exist, or may exist, but could not be read; ``why`` is the reason in one line."""

    why: str


#: Policies of one kind; each of them may be unreadable.
Policies: TypeAlias = "Sequence[Policy | Unreadable]"
#: An organization's policies of one kind: one entry per level, from the root to the account.
Levels: TypeAlias = "Sequence[Policies]"


@dataclass(frozen=True)
class PrincipalPolicies:
    """Every policy that decides what a principal may do, except the resources' own policies.

    Attributes:
        principal: The acting principal. Its ``arn`` is empty if the principal is not known. Its ``note`` says so if the
            path of a role is not known.
        tags: The tags of the role or user; ``None`` if these tags, or the tags of the session, are not known.
        identity: The policies of the role, or of the user and its groups.
        boundary: The permissions boundary; ``None`` if there is none.
        service_control: The service control policies; ``None`` if none apply: outside organizations, in management
            accounts, and if the organization has not enabled this kind of policy.
        resource_control: The resource control policies that apply to the principal's own account; ``None`` as for
            ``service_control``.
        session: The session policies; ``None`` if the session was opened without session policies.
        known_context: The values of further condition keys that are known, by key; an empty sequence means that the
            key is absent.
    """

    principal: Principal
    tags: Mapping[str, str] | None
    identity: Policies | Unreadable
    boundary: Policy | Unreadable | None = None
    service_control: Levels | Unreadable | None = None
    resource_control: Levels | Unreadable | None = None
    session: Policies | Unreadable | None = None
    known_context: Mapping[str, Sequence[str]] = field(default_factory=dict)
