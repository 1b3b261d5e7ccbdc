"""Reads the policies of one role or user with calls that return only this role or user and its policies.

Usually about ten calls are enough. Their number does not depend on the size of the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.iam import Policy, PrincipalKind, Unreadable
from cloudops_nb.scanner.policies.policy_calls import DeniedRead, read_or_unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.iam import Principal
    from cloudops_nb.iam.principals.principal_policies import Policies
    from cloudops_nb.scanner.policies.policy_calls import PolicyCache, PolicyCalls

#: For each kind of principal that has policies, the noun in the names of IAM's operations, as in ``GetRole``.
IAM_NOUNS = {PrincipalKind.ROLE: "Role", PrincipalKind.USER: "User"}
_GROUP = "Group"


@dataclass(frozen=True)
class IdentityPolicies:
    """The policies, boundary and tags of a role or user. Any of these may be unreadable while the others are not.

    Attributes:
        arn: The ARN of the role or user, including its path.
        tags: The tags of the role or user.
        boundary: The permissions boundary, ``None`` if there is no boundary.
        policies: The attached policies, the inline policies and the policies of the user's groups. Each policy, and
            each list of policies, that could not be read is replaced by an ``Unreadable`` with the reason.
    """

    arn: str | Unreadable
    tags: Mapping[str, str] | Unreadable
    boundary: Policy | Unreadable | None
    policies: Policies

    @property
    def has_denied_parts(self) -> bool:
        """Whether AWS denied a call for any part; ``GetAccountAuthorizationDetails`` may still be allowed."""
        return any(isinstance(part, DeniedRead) for part in (self.arn, self.tags, self.boundary, *self.policies))

    def with_gaps_filled(self, other: IdentityPolicies) -> IdentityPolicies:
        """Return a copy in which each unreadable part is replaced by the same part of ``other``.

        If policies are unreadable in both, the copy contains the policies of both.
        """
        return IdentityPolicies(
            arn=other.arn if isinstance(self.arn, Unreadable) else self.arn,
            tags=other.tags if isinstance(self.tags, Unreadable) else self.tags,
            boundary=other.boundary if isinstance(self.boundary, Unreadable) else self.boundary,
            policies=_policies_with_gaps_filled(self.policies, other.policies),
        )


class IdentityPolicyReader:
    """Reads the policies of one role or user, with calls on several threads; use each instance from one thread only."""

    def __init__(self, calls: PolicyCalls, cache: PolicyCache, principal: Principal) -> None:
        self._calls = calls
        self._cache = cache
        self._principal = principal
        self._noun = IAM_NOUNS[principal.kind]

    def read(self) -> IdentityPolicies:
        """Return the policies, boundary and tags; an ``Unreadable`` replaces each part that could not be read.

        Raises:
            CredentialsExpiredError: The credentials expired.
            ScanStoppedError: The scan was stopped.
        """
        # Each part is read by itself, so that a denied call for one part does not prevent reading the others.
        parts: list[Any] = self._calls.in_parallel(
            self._arn_tags_boundary, partial(self._policies_of, self._noun, self._principal.name), self._group_policies
        )
        (arn, tags, boundary), own_policies, group_policies = parts
        return IdentityPolicies(arn, tags, boundary, [*own_policies, *group_policies])

    def _arn_tags_boundary(self) -> tuple[Any, Any, Any]:
        name = {f"{self._noun}Name": self._principal.name}
        identity = read_or_unreadable(
            f"the {self._noun.lower()}",
            lambda: self._calls.response_member("iam", f"Get{self._noun}", self._noun, **name),
        )
        if isinstance(identity, Unreadable):
            return identity, identity, identity
        boundary_arn = identity.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        boundary = None if boundary_arn is None else self._managed_policy(boundary_arn, "the permissions boundary")
        return identity["Arn"], {tag["Key"]: tag["Value"] for tag in identity.get("Tags", ())}, boundary

    def _policies_of(self, noun: str, name: str) -> list[Policy | Unreadable]:
        """Return the attached and the inline policies of a role, a user or a group."""
        owner = {f"{noun}Name": name}
        attached, inline = self._calls.in_parallel(
            lambda: self._listed_or_unreadable(
                "the attached policies", f"ListAttached{noun}Policies", "AttachedPolicies", **owner
            ),
            lambda: self._listed_or_unreadable("the inline policies", f"List{noun}Policies", "PolicyNames", **owner),
        )
        return self._calls.in_parallel(
            *(partial(self._attached_policy, each) for each in attached),
            *(partial(self._inline_policy, noun, name, each) for each in inline),
        )

    def _group_policies(self) -> list[Policy | Unreadable]:
        if self._principal.kind is not PrincipalKind.USER:
            return []
        groups = self._listed_or_unreadable(
            "the user's groups", "ListGroupsForUser", "Groups", UserName=self._principal.name
        )
        by_group = self._calls.in_parallel(*(partial(self._policies_of_group, group) for group in groups))
        return [policy for policies in by_group for policy in policies]

    def _policies_of_group(self, group: Any) -> list[Policy | Unreadable]:
        return [group] if isinstance(group, Unreadable) else self._policies_of(_GROUP, group["GroupName"])

    def _listed_or_unreadable(self, what: str, operation: str, member: str, **owner: str) -> list[Any]:
        """Return the items of a list; if the list could not be read, the only item is an ``Unreadable``."""
        items = read_or_unreadable(what, lambda: self._calls.listed_items("iam", operation, member, **owner))
        return [items] if isinstance(items, Unreadable) else items

    def _attached_policy(self, attached: Any) -> Policy | Unreadable:
        if isinstance(attached, Unreadable):
            return attached
        return self._managed_policy(attached["PolicyArn"], "an attached policy")

    def _managed_policy(self, arn: str, what: str) -> Policy | Unreadable:
        return read_or_unreadable(what, lambda: self._cache.managed_policy(self._calls, arn))

    def _inline_policy(self, noun: str, owner_name: str, policy_name: Any) -> Policy | Unreadable:
        if isinstance(policy_name, Unreadable):
            return policy_name
        parameters = {f"{noun}Name": owner_name, "PolicyName": policy_name}

        def read() -> Policy:
            document = self._calls.response_member("iam", f"Get{noun}Policy", "PolicyDocument", **parameters)
            return Policy.parse(document, name=policy_name)

        return read_or_unreadable("an inline policy", read)


def _policies_with_gaps_filled(ours: Policies, theirs: Policies) -> Policies:
    if not _has_gaps(ours):
        return ours
    # If both lists have unreadable policies, these may be different ones, so keep every policy that was read.
    return [*ours, *theirs] if _has_gaps(theirs) else theirs


def _has_gaps(policies: Policies) -> bool:
    return any(isinstance(policy, Unreadable) for policy in policies)
