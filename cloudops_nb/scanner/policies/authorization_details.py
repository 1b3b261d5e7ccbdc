"""Reads the policies of a role or user from a listing of all identities and policies in the account.

A scan uses this listing only if AWS denies a call that reads just the role or user.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.iam import Policy, PrincipalKind, Unreadable
from cloudops_nb.scanner.calls.call_errors import BrokenResponseError
from cloudops_nb.scanner.policies.identity_policies import IAM_NOUNS, IdentityPolicies
from cloudops_nb.scanner.policies.policy_calls import policy_name, read_or_unreadable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloudops_nb.iam import Principal
    from cloudops_nb.scanner.policies.policy_calls import PolicyCache, PolicyCalls

_OPERATION = "GetAccountAuthorizationDetails"


def identity_from_details(calls: PolicyCalls, cache: PolicyCache, principal: Principal) -> IdentityPolicies:
    """Return the policies, tags and boundary of a role or user from ``iam:GetAccountAuthorizationDetails``.

    Raises:
        CredentialsExpiredError: The credentials expired.
        ScanStoppedError: The scan was stopped.
    """
    groups = ["Group"] if principal.kind is PrincipalKind.USER else []
    kinds = [IAM_NOUNS[principal.kind], *groups, "LocalManagedPolicy", "AWSManagedPolicy"]
    pages = read_or_unreadable("the account's identities", lambda: calls.pages("iam", _OPERATION, Filter=kinds))
    if isinstance(pages, Unreadable):
        return IdentityPolicies(pages, pages, pages, [pages])
    details = read_or_unreadable("the account's identities", lambda: _AuthorizationDetails(pages, cache, principal))
    if isinstance(details, Unreadable):
        return IdentityPolicies(details, details, details, [details])
    return details.identity_policies()


class _AuthorizationDetails:
    """The part of the account's listing that concerns one role or user.

    Raises:
        BrokenResponseError: The listing does not contain the role or user.
    """

    def __init__(self, pages: Sequence[Mapping[str, Any]], cache: PolicyCache, principal: Principal) -> None:
        self._pages = pages
        self._cache = cache
        self._noun = IAM_NOUNS[principal.kind]
        self._managed = {policy["Arn"]: policy for policy in self._listed("Policies")}
        name = principal.name
        identity = next((each for each in self._listed(f"{self._noun}DetailList") if self._name_of(each) == name), None)
        if identity is None:
            raise BrokenResponseError(f"{_OPERATION} returned no {self._noun.lower()} {name}")
        self._identity: Mapping[str, Any] = identity

    def identity_policies(self) -> IdentityPolicies:
        boundary = self._identity.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        group_names = set(self._identity.get("GroupList", ()))
        groups = [group for group in self._listed("GroupDetailList") if group["GroupName"] in group_names]
        return IdentityPolicies(
            arn=self._identity["Arn"],
            tags={tag["Key"]: tag["Value"] for tag in self._identity.get("Tags", ())},
            boundary=None
            if boundary is None
            else read_or_unreadable("the permissions boundary", lambda: self._managed_policy(boundary)),
            policies=[*self._policies(groups), *self._missing_groups(group_names, groups)],
        )

    def _policies(self, groups: Sequence[Mapping[str, Any]]) -> list[Policy | Unreadable]:
        owners = [(self._identity, self._noun), *((group, "Group") for group in groups)]
        attached = [each["PolicyArn"] for owner, _ in owners for each in owner.get("AttachedManagedPolicies", ())]
        inline = [each for owner, noun in owners for each in owner.get(f"{noun}PolicyList", ())]
        return [
            *(read_or_unreadable("an attached policy", partial(self._managed_policy, arn)) for arn in attached),
            *(read_or_unreadable("an inline policy", partial(_inline_policy, each)) for each in inline),
        ]

    def _missing_groups(self, group_names: Collection[str], groups: Collection[Any]) -> list[Unreadable]:
        complete = len(groups) == len(group_names)
        # A group that the listing lacks may have policies with deny statements, so it must not be ignored.
        return [] if complete else [Unreadable(f"{_OPERATION} did not return all of the user's groups")]

    def _managed_policy(self, arn: str) -> Policy:
        policy = self._managed.get(arn)
        if policy is None:
            raise BrokenResponseError(f"{_OPERATION} returned no policy {policy_name(arn)}")
        version = policy["DefaultVersionId"]
        document = next(
            (each["Document"] for each in policy["PolicyVersionList"] if each["VersionId"] == version), None
        )
        if document is None:
            raise BrokenResponseError(f"{_OPERATION} returned no default version of {policy_name(arn)}")
        return self._cache.compiled_policy(arn, version, lambda: document, name=policy_name(arn))

    def _listed(self, member: str) -> list[Any]:
        return [each for page in self._pages for each in page.get(member, ())]

    def _name_of(self, identity: Mapping[str, Any]) -> str:
        return str(identity[f"{self._noun}Name"])


def _inline_policy(policy: Mapping[str, Any]) -> Policy:
    return Policy.parse(policy["PolicyDocument"], name=policy["PolicyName"])
