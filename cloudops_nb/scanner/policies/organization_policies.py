"""Reads the service control policies and resource control policies with which an organization limits an account."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import ClientError

from cloudops_nb.aws.error_states import error_code
from cloudops_nb.iam import Policy, Unreadable
from cloudops_nb.scanner.policies.policy_calls import read_or_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.iam.principals.principal_policies import Levels
    from cloudops_nb.scanner.policies.policy_calls import PolicyCache, PolicyCalls

_KINDS = {
    "SERVICE_CONTROL_POLICY": "service control policies",
    "RESOURCE_CONTROL_POLICY": "resource control policies",
}
_SERVICE = "organizations"
_NOT_IN_USE = "AWSOrganizationsNotInUseException"
#: The feature set of an organization whose accounts only share a bill. An organization with it has no control policies.
_BILLING_ONLY = "CONSOLIDATED_BILLING"
_ROOT = "ROOT"


#: The policies of one kind at each level, from the root to the account; ``None`` if no policies of the kind apply.
PolicyLayer: TypeAlias = "Levels | Unreadable | None"


@dataclass(frozen=True)
class OrganizationLayers:
    """The organization's policies that apply to one account.

    Attributes:
        service_control: The service control policies.
        resource_control: The resource control policies.
        context: The values of the condition keys that the organization determines, by key. An empty sequence means that
            the key is absent.
    """

    service_control: PolicyLayer
    resource_control: PolicyLayer
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)


class OrganizationPolicies:
    """Reads the policies of organizations for one scan; thread-safe.

    AWS returns an organization's policies only to its management account and to delegated administrators. If the scan
    includes the management account, the policies are therefore first read with calls into that account.

    Args:
        cache: The policies that the scan has read.
        calls_of: Returns the object that makes calls into the account with a given id, or ``None`` if the scan does not
            include that account.
    """

    def __init__(self, cache: PolicyCache, calls_of: Callable[[str], PolicyCalls | None]) -> None:
        self._cache = cache
        self._calls_of = calls_of
        self._lock = threading.Lock()
        self._responses: dict[tuple[str, ...], Any] = {}

    def layers(self, account_id: str, calls: PolicyCalls) -> OrganizationLayers:
        """Return the organization's policies that apply to an account; ``calls`` makes calls into this account.

        Raises:
            CredentialsExpiredError: The credentials expired.
            ScanStoppedError: The scan was stopped.
        """
        organization = read_or_unreadable("the organization", lambda: _organization_of(calls))
        if isinstance(organization, Unreadable):
            return OrganizationLayers(organization, organization)
        if organization is None:
            return OrganizationLayers(None, None, {"aws:PrincipalOrgID": ()})
        context = {"aws:PrincipalOrgID": (organization["Id"],)}
        management_id = organization["MasterAccountId"]
        if organization.get("FeatureSet") == _BILLING_ONLY or management_id == account_id:
            # Neither kind of policy applies to the management account:
            # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
            return OrganizationLayers(None, None, context)
        management_calls = self._calls_of(management_id)
        readers = [management_calls, calls] if management_calls else [calls]
        service, resource = self._layers_without_gaps(organization["Id"], account_id, readers)
        return OrganizationLayers(service, resource, context)

    def _layers_without_gaps(
        self, organization_id: str, account_id: str, readers: Sequence[PolicyCalls]
    ) -> list[PolicyLayer]:
        """Return the policies of each kind.

        A gap is a policy that could not be read. For each kind, the result comes from a reader that reads the policies
        without gaps, else from the first reader.
        """
        layers = self._layers_of_both_kinds(organization_id, account_id, readers[0])
        for calls in readers[1:]:
            if any(map(_has_gaps, layers)):
                pairs = zip(layers, self._layers_of_both_kinds(organization_id, account_id, calls), strict=True)
                layers = [earlier if _has_gaps(later) else later for earlier, later in pairs]
        return layers

    def _layers_of_both_kinds(self, organization_id: str, account_id: str, calls: PolicyCalls) -> list[PolicyLayer]:
        return calls.in_parallel(
            *(partial(self._layer_of_kind, organization_id, account_id, calls, kind) for kind in _KINDS)
        )

    def _layer_of_kind(self, organization_id: str, account_id: str, calls: PolicyCalls, kind: str) -> PolicyLayer:
        def read_targets() -> list[str] | None:
            return self._ids_from_root(account_id, calls) if self._is_enabled(organization_id, calls, kind) else None

        targets = read_or_unreadable(f"the organization's {_KINDS[kind]}", read_targets)
        if targets is None or isinstance(targets, Unreadable):
            return targets
        return calls.in_parallel(*(partial(self._policies_of_target, calls, kind, target) for target in targets))

    def _is_enabled(self, organization_id: str, calls: PolicyCalls, kind: str) -> bool:
        roots = self._read_once(("roots", organization_id), lambda: calls.listed_items(_SERVICE, "ListRoots", "Roots"))
        return any(
            each["Type"] == kind and each["Status"] == "ENABLED" for root in roots for each in root["PolicyTypes"]
        )

    def _ids_from_root(self, account_id: str, calls: PolicyCalls) -> list[str]:
        """Return the ids of the root, the organizational units above the account, and the account, in this order."""
        ids, kind = [account_id], ""
        while kind != _ROOT:
            list_parents = partial(calls.listed_items, _SERVICE, "ListParents", "Parents", ChildId=ids[0])
            (parent,) = self._read_once(("parent", ids[0]), list_parents)
            ids.insert(0, parent["Id"])
            kind = parent["Type"]
        return ids

    def _policies_of_target(self, calls: PolicyCalls, kind: str, target: str) -> list[Policy | Unreadable]:
        listed = read_or_unreadable(
            f"the organization's {_KINDS[kind]}",
            lambda: self._read_once(
                ("attached", kind, target),
                lambda: calls.listed_items(_SERVICE, "ListPoliciesForTarget", "Policies", TargetId=target, Filter=kind),
            ),
        )
        if isinstance(listed, Unreadable):
            return [listed]
        return calls.in_parallel(*(partial(self._policy, calls, policy) for policy in listed))

    def _policy(self, calls: PolicyCalls, policy: Mapping[str, Any]) -> Policy | Unreadable:
        def read() -> Any:
            return calls.response_member(_SERVICE, "DescribePolicy", "Policy", PolicyId=policy["Id"])["Content"]

        # An organization's policies have no versions, so the version in the cache is empty.
        return read_or_unreadable(
            "a policy of the organization",
            lambda: self._cache.compiled_policy(policy["Arn"], "", read, name=policy["Name"]),
        )

    def _read_once(self, key: tuple[str, ...], read: Callable[[], Any]) -> Any:
        """Return a cached response, or read it. Failures are not cached, as a call in another account may succeed."""
        with self._lock:
            if key in self._responses:
                return self._responses[key]
        response = read()
        with self._lock:
            return self._responses.setdefault(key, response)


def _organization_of(calls: PolicyCalls) -> dict[str, Any] | None:
    """Return the organization of an account, ``None`` if the account does not belong to an organization."""
    try:
        organization: dict[str, Any] = calls.response_member(_SERVICE, "DescribeOrganization", "Organization")
    except ClientError as error:
        if error_code(error) == _NOT_IN_USE:
            return None
        raise
    return organization


def _has_gaps(layer: PolicyLayer) -> bool:
    if layer is None or isinstance(layer, Unreadable):
        return layer is not None
    return any(isinstance(policy, Unreadable) for level in layer for policy in level)
