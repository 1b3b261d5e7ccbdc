"""Reads one identity from a listing of the whole account, where the calls that name the identity are refused."""

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
    """Return a role's or user's identity from ``iam:GetAccountAuthorizationDetails``.

    Raises:
        CredentialsExpiredError: The credentials expired.
        ScanStoppedError: The scan was stopped.
    """
    groups = ["Group"] if principal.kind is PrincipalKind.USER else []
    kinds = [IAM_NOUNS[principal.kind], *groups, "LocalManagedPolicy", "AWSManagedPolicy"]
    pages = read_or_unreadable("the account's identities", lambda: calls.pages("iam", _OPERATION, Filter=kinds))
    if isinstance(pages, Unreadable):
        return IdentityPolicies(pages, pages, pages, [pages])
    found = read_or_unreadable("the account's identities", lambda: _AuthorizationDetails(pages, cache, principal))
    return IdentityPolicies(found, found, found, [found]) if isinstance(found, Unreadable) else found.identity()


class _AuthorizationDetails:
    """The parts of an account's listing that concern one principal."""

    def __init__(self, pages: Sequence[Mapping[str, Any]], cache: PolicyCache, principal: Principal) -> None:
        self._pages = pages
        self._cache = cache
        self._word = IAM_NOUNS[principal.kind]
        self._managed = {policy["Arn"]: policy for policy in self._all_members("Policies")}
        name = principal.name
        self._identity = next(
            (each for each in self._all_members(f"{self._word}DetailList") if self._identity_name(each) == name), None
        )
        if self._identity is None:
            raise BrokenResponseError(f"{_OPERATION} returned no {self._word.lower()} {name}")

    def identity(self) -> IdentityPolicies:
        own = self._identity or {}
        boundary = own.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        mine = set(own.get("GroupList", ()))
        groups = [group for group in self._all_members("GroupDetailList") if group["GroupName"] in mine]
        return IdentityPolicies(
            arn=own["Arn"],
            tags={tag["Key"]: tag["Value"] for tag in own.get("Tags", ())},
            boundary=None
            if boundary is None
            else read_or_unreadable("the permissions boundary", lambda: self._policy(boundary)),
            policies=[*self._policies(own, self._word, groups), *self._missing_groups(mine, groups)],
        )

    def _policies(
        self, own: Mapping[str, Any], word: str, groups: Sequence[Mapping[str, Any]]
    ) -> list[Policy | Unreadable]:
        holders = [(own, word), *((group, "Group") for group in groups)]
        attached = [each["PolicyArn"] for holder, _ in holders for each in holder.get("AttachedManagedPolicies", ())]
        inline = [each for holder, kind in holders for each in holder.get(f"{kind}PolicyList", ())]
        return [
            *(read_or_unreadable("an attached policy", partial(self._policy, arn)) for arn in attached),
            *(read_or_unreadable("an inline policy", partial(_inline_policy, each)) for each in inline),
        ]

    def _missing_groups(self, mine: Collection[str], groups: Collection[Any]) -> list[Unreadable]:
        complete = len(groups) == len(mine)
        # A group that is missing from the listing may have policies that deny.
        return [] if complete else [Unreadable(f"{_OPERATION} did not return all of the user's groups")]

    def _policy(self, arn: str) -> Policy:
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

    def _all_members(self, member: str) -> list[Any]:
        return [each for page in self._pages for each in page.get(member, ())]

    def _identity_name(self, identity: Mapping[str, Any]) -> str:
        return str(identity[f"{self._word}Name"])


def _inline_policy(policy: Mapping[str, Any]) -> Policy:
    return Policy.parse(policy["PolicyDocument"], name=policy["PolicyName"])
