"""Reads the policies of one role or user by the calls that name it: about ten, however large the account is."""

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

#: The words of IAM's operation names for the kinds of identity that have policies.
IAM_NOUNS = {PrincipalKind.ROLE: "Role", PrincipalKind.USER: "User"}
_GROUP = "Group"


@dataclass(frozen=True)
class IdentityPolicies:
    """IAM's description of a role or user; each part may be unreadable without the others.

    ``arn`` includes the path. ``policies`` holds the attached, the inline and the groups' policies, with a reason in
    place of each policy that could not be read.
    """

    arn: str | Unreadable
    tags: Mapping[str, str] | Unreadable
    boundary: Policy | Unreadable | None
    policies: Policies

    @property
    def has_denied_parts(self) -> bool:
        """Whether AWS denied access to a part that another call may read."""
        return any(isinstance(part, DeniedRead) for part in (self.arn, self.tags, self.boundary, *self.policies))

    def with_gaps_filled(self, other: IdentityPolicies) -> IdentityPolicies:
        """Return this identity with its unreadable parts taken from the other."""
        return IdentityPolicies(
            arn=other.arn if isinstance(self.arn, Unreadable) else self.arn,
            tags=other.tags if isinstance(self.tags, Unreadable) else self.tags,
            boundary=other.boundary if isinstance(self.boundary, Unreadable) else self.boundary,
            policies=_policies_with_gaps_filled(self.policies, other.policies),
        )


class IdentityPolicyReader:
    """Reads one principal's identity on several threads; an instance is used from one thread."""

    def __init__(self, calls: PolicyCalls, cache: PolicyCache, principal: Principal) -> None:
        self._calls = calls
        self._cache = cache
        self._principal = principal
        self._word = IAM_NOUNS[principal.kind]

    def read(self) -> IdentityPolicies:
        """Return the identity, with reasons in place of the parts that could not be read.

        Raises:
            CredentialsExpiredError: The credentials expired.
            ScanStoppedError: The scan was stopped.
        """
        parts: list[Any] = self._calls.in_parallel(
            self._identity_facts, partial(self._policies_of, self._word, self._principal.name), self._group_policies
        )
        # The parts are independent, so one that is denied does not hide the others.
        (arn, tags, boundary), own, groups = parts
        return IdentityPolicies(arn, tags, boundary, [*own, *groups])

    def _identity_facts(self) -> tuple[Any, Any, Any]:
        """Return the identity's ARN, tags and boundary, which come from one call."""
        named = {f"{self._word}Name": self._principal.name}
        what = f"the {self._word.lower()}"
        found = read_or_unreadable(
            what, lambda: self._calls.answer_member("iam", f"Get{self._word}", self._word, **named)
        )
        if isinstance(found, Unreadable):
            return found, found, found
        boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        policy = None if boundary is None else self._managed_policy(boundary, "the permissions boundary")
        return found["Arn"], {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}, policy

    def _policies_of(self, word: str, name: str) -> list[Policy | Unreadable]:
        """Return the attached and the inline policies of a role, a user or a group."""
        owner = {f"{word}Name": name}
        attached, inline = self._calls.in_parallel(
            lambda: self._listed_or_unreadable(
                "the attached policies", f"ListAttached{word}Policies", "AttachedPolicies", **owner
            ),
            lambda: self._listed_or_unreadable("the inline policies", f"List{word}Policies", "PolicyNames", **owner),
        )
        return self._calls.in_parallel(
            *(partial(self._attached_policy, each) for each in attached),
            *(partial(self._inline_policy, word, name, each) for each in inline),
        )

    def _group_policies(self) -> list[Policy | Unreadable]:
        if self._principal.kind is not PrincipalKind.USER:
            return []
        groups = self._listed_or_unreadable(
            "the user's groups", "ListGroupsForUser", "Groups", UserName=self._principal.name
        )
        read = self._calls.in_parallel(*(partial(self._policies_of_group, group) for group in groups))
        return [policy for each in read for policy in each]

    def _policies_of_group(self, group: Any) -> list[Policy | Unreadable]:
        return [group] if isinstance(group, Unreadable) else self._policies_of(_GROUP, group["GroupName"])

    def _listed_or_unreadable(self, what: str, operation: str, member: str, **owner: str) -> list[Any]:
        """Return a list's items, or one reason if the list could not be read."""
        found = read_or_unreadable(what, lambda: self._calls.listed_items("iam", operation, member, **owner))
        return [found] if isinstance(found, Unreadable) else found

    def _attached_policy(self, attached: Any) -> Policy | Unreadable:
        if isinstance(attached, Unreadable):
            return attached
        return self._managed_policy(attached["PolicyArn"], "an attached policy")

    def _managed_policy(self, arn: str, what: str) -> Policy | Unreadable:
        return read_or_unreadable(what, lambda: self._cache.managed_policy(self._calls, arn))

    def _inline_policy(self, word: str, name: str, policy: Any) -> Policy | Unreadable:
        if isinstance(policy, Unreadable):
            return policy
        given = {f"{word}Name": name, "PolicyName": policy}

        def read() -> Policy:
            document = self._calls.answer_member("iam", f"Get{word}Policy", "PolicyDocument", **given)
            return Policy.parse(document, name=policy)

        return read_or_unreadable("an inline policy", read)


def _policies_with_gaps_filled(ours: Policies, theirs: Policies) -> Policies:
    if not _has_gaps(ours):
        return ours
    # If both have gaps, the gaps may differ, so every policy that was read counts.
    return [*ours, *theirs] if _has_gaps(theirs) else theirs


def _has_gaps(policies: Policies) -> bool:
    return any(isinstance(policy, Unreadable) for policy in policies)
