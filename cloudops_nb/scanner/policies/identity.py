"""Reads the policies of one role or user, by the calls that name it: some ten of them, however large the account."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.iam import Policy, PrincipalKind, Unreadable
from cloudops_nb.scanner.policies.layer import Refused, attempt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.iam import Principal
    from cloudops_nb.iam.principals.principal_policies import Policies
    from cloudops_nb.scanner.policies.documents import Documents
    from cloudops_nb.scanner.policies.layer import PolicyCalls

#: What IAM's operations call the kinds of identity that have policies.
WORDS = {PrincipalKind.ROLE: "Role", PrincipalKind.USER: "User"}
_GROUP = "Group"


@dataclass(frozen=True)
class Identity:
    """What IAM says of a role or user; each part is unreadable for itself.

    ``arn`` has the true path. ``policies`` holds the attached, the inline and the groups' ones, and stands with what is
    unreadable in the place of what could not be read.
    """

    arn: str | Unreadable
    tags: Mapping[str, str] | Unreadable
    boundary: Policy | Unreadable | None
    policies: Policies

    @property
    def refused(self) -> bool:
        """Whether AWS refused a part, which another call may tell."""
        return any(isinstance(part, Refused) for part in (self.arn, self.tags, self.boundary, *self.policies))

    def filled(self, other: Identity) -> Identity:
        """Return this with what is unreadable taken from the other."""
        return Identity(
            arn=other.arn if isinstance(self.arn, Unreadable) else self.arn,
            tags=other.tags if isinstance(self.tags, Unreadable) else self.tags,
            boundary=other.boundary if isinstance(self.boundary, Unreadable) else self.boundary,
            policies=_filled(self.policies, other.policies),
        )


class IdentityReader:
    """Reads one principal's identity; may be used from one thread, and uses several."""

    def __init__(self, calls: PolicyCalls, documents: Documents, principal: Principal) -> None:
        self._calls = calls
        self._documents = documents
        self._principal = principal
        self._word = WORDS[principal.kind]

    def read(self) -> Identity:
        """Return what could be read.

        Raises:
            ExpiredError: The credentials expired.
            ScanStoppedError: The scan was stopped.
        """
        parts: list[Any] = self._calls.together(
            self._described, partial(self._policies_of, self._word, self._principal.name), self._group_policies
        )
        (arn, tags, boundary), own, groups = parts
        return Identity(arn, tags, boundary, [*own, *groups])

    def _described(self) -> tuple[Any, Any, Any]:
        """Return the identity's ARN, tags and boundary, which one call tells."""
        named = {f"{self._word}Name": self._principal.name}
        what = f"the {self._word.lower()}"
        found = attempt(what, lambda: self._calls.one("iam", f"Get{self._word}", self._word, **named))
        if isinstance(found, Unreadable):
            return found, found, found
        boundary = found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        policy = None if boundary is None else self._managed(boundary, "the permissions boundary")
        return found["Arn"], {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}, policy

    def _policies_of(self, word: str, name: str) -> list[Policy | Unreadable]:
        """Return the attached and the inline policies of a role, a user or a group."""
        whose = {f"{word}Name": name}
        attached, inline = self._calls.together(
            lambda: self._listed("the attached policies", f"ListAttached{word}Policies", "AttachedPolicies", **whose),
            lambda: self._listed("the inline policies", f"List{word}Policies", "PolicyNames", **whose),
        )
        return self._calls.together(
            *(partial(self._managed_of, each) for each in attached),
            *(partial(self._inline, word, name, each) for each in inline),
        )

    def _group_policies(self) -> list[Policy | Unreadable]:
        if self._principal.kind is not PrincipalKind.USER:
            return []
        groups = self._listed("the user's groups", "ListGroupsForUser", "Groups", UserName=self._principal.name)
        read = self._calls.together(*(partial(self._policies_of_group, group) for group in groups))
        return [policy for each in read for policy in each]

    def _policies_of_group(self, group: Any) -> list[Policy | Unreadable]:
        return [group] if isinstance(group, Unreadable) else self._policies_of(_GROUP, group["GroupName"])

    def _listed(self, what: str, operation: str, member: str, **whose: str) -> list[Any]:
        """Return a list's members, or the one reason why there is none."""
        found = attempt(what, lambda: self._calls.every("iam", operation, member, **whose))
        return [found] if isinstance(found, Unreadable) else found

    def _managed_of(self, attached: Any) -> Policy | Unreadable:
        if isinstance(attached, Unreadable):
            return attached
        return self._managed(attached["PolicyArn"], "an attached policy")

    def _managed(self, arn: str, what: str) -> Policy | Unreadable:
        return attempt(what, lambda: self._documents.managed(self._calls, arn))

    def _inline(self, word: str, name: str, policy: Any) -> Policy | Unreadable:
        if isinstance(policy, Unreadable):
            return policy
        given = {f"{word}Name": name, "PolicyName": policy}

        def read() -> Policy:
            document = self._calls.one("iam", f"Get{word}Policy", "PolicyDocument", **given)
            return Policy.parse(document, name=policy)

        return attempt("an inline policy", read)


def _filled(ours: Policies, theirs: Policies) -> Policies:
    if not _holes(ours):
        return ours
    # Where both have holes, these may be in different places: whatever either read counts.
    return [*ours, *theirs] if _holes(theirs) else theirs


def _holes(policies: Policies) -> bool:
    return any(isinstance(policy, Unreadable) for policy in policies)
