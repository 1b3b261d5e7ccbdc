"""Reads the policies by which an organisation limits an account: service and resource control policies."""

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
#: The feature set of an organisation that only shares its bills; it has no policies.
_BILLING_ONLY = "CONSOLIDATED_BILLING"
_ROOT = "ROOT"


#: The policies at each level, from the root to the account; ``None`` if the layer does not exist.
PolicyLayer: TypeAlias = "Levels | Unreadable | None"


@dataclass(frozen=True)
class OrganizationLayers:
    """The organisation's policies that apply to one account, and the condition keys that they make known."""

    service_control: PolicyLayer
    resource_control: PolicyLayer
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)


class OrganizationPolicies:
    """Reads the policies of organisations for one scan; thread-safe.

    AWS shows an organisation's policies only to its management account and to delegated accounts. If the management
    account is part of the scan, its calls are used first.

    Args:
        cache: The scan's policies.
        calls_of: Returns the calls into another account of the scan, ``None`` if the account is not part of it.
    """

    def __init__(self, cache: PolicyCache, calls_of: Callable[[str], PolicyCalls | None]) -> None:
        self._cache = cache
        self._calls_of = calls_of
        self._lock = threading.Lock()
        self._read_before: dict[tuple[str, ...], Any] = {}

    def layers(self, account_id: str, calls: PolicyCalls) -> OrganizationLayers:
        """Return the organisation's policies that apply to an account.

        Raises:
            CredentialsExpiredError: The credentials expired.
            ScanStoppedError: The scan was stopped.
        """
        described = read_or_unreadable("the organisation", lambda: _organization_of(calls))
        if isinstance(described, Unreadable):
            return OrganizationLayers(described, described)
        if described is None:
            return OrganizationLayers(None, None, {"aws:PrincipalOrgID": ()})
        context = {"aws:PrincipalOrgID": (described["Id"],)}
        management = described["MasterAccountId"]
        if described.get("FeatureSet") == _BILLING_ONLY or management == account_id:
            # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html: neither kind of
            # policy applies to the management account.
            return OrganizationLayers(None, None, context)
        trusted = self._calls_of(management)
        readers = [trusted, calls] if trusted else [calls]
        service, resource = self._readable_layers(described["Id"], account_id, readers)
        return OrganizationLayers(service, resource, context)

    def _readable_layers(self, organisation: str, account_id: str, readers: Sequence[PolicyCalls]) -> list[PolicyLayer]:
        """Return the layers of both kinds from the first reader that may read them; else the first reader's."""
        layers = self._layers_of_both_kinds(organisation, account_id, readers[0])
        for calls in readers[1:]:
            if any(map(_has_gaps, layers)):
                pairs = zip(layers, self._layers_of_both_kinds(organisation, account_id, calls), strict=True)
                layers = [ours if _has_gaps(theirs) else theirs for ours, theirs in pairs]
        return layers

    def _layers_of_both_kinds(self, organisation: str, account_id: str, calls: PolicyCalls) -> list[PolicyLayer]:
        return calls.in_parallel(
            *(partial(self._layer_of_kind, organisation, account_id, calls, kind) for kind in _KINDS)
        )

    def _layer_of_kind(self, organisation: str, account_id: str, calls: PolicyCalls, kind: str) -> PolicyLayer:
        def targets() -> list[str] | None:
            return self._ids_from_root(account_id, calls) if self._is_enabled(organisation, calls, kind) else None

        chain = read_or_unreadable(f"the organisation's {_KINDS[kind]}", targets)
        if chain is None or isinstance(chain, Unreadable):
            return chain
        return calls.in_parallel(*(partial(self._policies_of_target, calls, kind, target) for target in chain))

    def _is_enabled(self, organisation: str, calls: PolicyCalls, kind: str) -> bool:
        roots = self._read_once(("roots", organisation), lambda: calls.listed_items(_SERVICE, "ListRoots", "Roots"))
        return any(
            each["Type"] == kind and each["Status"] == "ENABLED" for root in roots for each in root["PolicyTypes"]
        )

    def _ids_from_root(self, account_id: str, calls: PolicyCalls) -> list[str]:
        """Return the ids of the organisation's root, the units below it and the account."""
        chain, kind = [account_id], ""
        while kind != _ROOT:
            listing = partial(calls.listed_items, _SERVICE, "ListParents", "Parents", ChildId=chain[0])
            (parent,) = self._read_once(("parent", chain[0]), listing)
            chain.insert(0, parent["Id"])
            kind = parent["Type"]
        return chain

    def _policies_of_target(self, calls: PolicyCalls, kind: str, target: str) -> list[Policy | Unreadable]:
        listed = read_or_unreadable(
            f"the organisation's {_KINDS[kind]}",
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
            return calls.answer_member(_SERVICE, "DescribePolicy", "Policy", PolicyId=policy["Id"])["Content"]

        # An organisation's policies have no versions; a scan reads each policy once.
        return read_or_unreadable(
            "a policy of the organisation",
            lambda: self._cache.compiled_policy(policy["Arn"], "", read, name=policy["Name"]),
        )

    def _read_once(self, key: tuple[str, ...], read: Callable[[], Any]) -> Any:
        """Return a cached answer, or read it; a failure is not cached, because another account may be allowed."""
        with self._lock:
            if key in self._read_before:
                return self._read_before[key]
        found = read()
        with self._lock:
            return self._read_before.setdefault(key, found)


def _organization_of(calls: PolicyCalls) -> dict[str, Any] | None:
    """Return the organisation of an account, ``None`` if it is in no organisation."""
    try:
        found: dict[str, Any] = calls.answer_member(_SERVICE, "DescribeOrganization", "Organization")
    except ClientError as error:
        if error_code(error) == _NOT_IN_USE:
            return None
        raise
    return found


def _has_gaps(layer: PolicyLayer) -> bool:
    if layer is None or isinstance(layer, Unreadable):
        return layer is not None
    return any(isinstance(policy, Unreadable) for level in layer for policy in level)
