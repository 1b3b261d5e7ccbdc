"""Reads what an organisation lets an account do at the most: its service and resource control policies."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import ClientError

from cloudops_nb.aws.error_states import error_code
from cloudops_nb.iam import Policy, Unreadable
from cloudops_nb.scanner.policies.layer import attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.iam.principals.principal_policies import Levels
    from cloudops_nb.scanner.policies.documents import Documents
    from cloudops_nb.scanner.policies.layer import PolicyCalls

_KINDS = {
    "SERVICE_CONTROL_POLICY": "service control policies",
    "RESOURCE_CONTROL_POLICY": "resource control policies",
}
_SERVICE = "organizations"
_NOT_IN_USE = "AWSOrganizationsNotInUseException"
#: Only consolidated bills are shared; such an organisation has no policies.
_BILLING_ONLY = "CONSOLIDATED_BILLING"
_ROOT = "ROOT"


#: The policies at each level, from the root to the account; ``None`` where there is no such layer.
Layer: TypeAlias = "Levels | Unreadable | None"


@dataclass(frozen=True)
class OrganizationLayers:
    """What an organisation says of one account, and the condition keys that are known from it."""

    service_control: Layer
    resource_control: Layer
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Organizations:
    """Reads the policies of organisations for one scan; thread-safe.

    Organisation policies are shown to the management account and to those it delegated that to, so what one account may
    not read may be read with the management account's calls, if that is one of the scan's.

    Args:
        documents: The scan's policies.
        calls_of: The calls into another account of the scan, ``None`` if it is none.
    """

    def __init__(self, documents: Documents, calls_of: Callable[[str], PolicyCalls | None]) -> None:
        self._documents = documents
        self._calls_of = calls_of
        self._lock = threading.Lock()
        self._known: dict[tuple[str, ...], Any] = {}

    def layers(self, account_id: str, calls: PolicyCalls) -> OrganizationLayers:
        """Return what holds for an account.

        Raises:
            ExpiredError: The credentials expired.
            ScanStoppedError: The scan was stopped.
        """
        described = attempt("the organisation", lambda: _described(calls))
        if isinstance(described, Unreadable):
            return OrganizationLayers(described, described)
        if described is None:
            return OrganizationLayers(None, None, {"aws:PrincipalOrgID": ()})
        context = {"aws:PrincipalOrgID": (described["Id"],)}
        management = described["MasterAccountId"]
        if described.get("FeatureSet") == _BILLING_ONLY or management == account_id:
            # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html: neither kind of
            # policy concerns the management account.
            return OrganizationLayers(None, None, context)
        trusted = self._calls_of(management)
        readers = [trusted, calls] if trusted else [calls]
        service, resource = self._read(described["Id"], account_id, readers)
        return OrganizationLayers(service, resource, context)

    def _read(self, organisation: str, account_id: str, readers: Sequence[PolicyCalls]) -> list[Layer]:
        """Return the layers of both kinds, by the first reader that is shown them; else why the first is not."""
        layers = self._both(organisation, account_id, readers[0])
        for calls in readers[1:]:
            if any(map(_holes, layers)):
                pairs = zip(layers, self._both(organisation, account_id, calls), strict=True)
                layers = [ours if _holes(theirs) else theirs for ours, theirs in pairs]
        return layers

    def _both(self, organisation: str, account_id: str, calls: PolicyCalls) -> list[Layer]:
        return calls.together(*(partial(self._levels, organisation, account_id, calls, kind) for kind in _KINDS))

    def _levels(self, organisation: str, account_id: str, calls: PolicyCalls, kind: str) -> Layer:
        def targets() -> list[str] | None:
            return self._chain(account_id, calls) if self._enabled(organisation, calls, kind) else None

        chain = attempt(f"the organisation's {_KINDS[kind]}", targets)
        if chain is None or isinstance(chain, Unreadable):
            return chain
        return calls.together(*(partial(self._attached, calls, kind, target) for target in chain))

    def _enabled(self, organisation: str, calls: PolicyCalls, kind: str) -> bool:
        roots = self._once(("roots", organisation), lambda: calls.every(_SERVICE, "ListRoots", "Roots"))
        return any(
            each["Type"] == kind and each["Status"] == "ENABLED" for root in roots for each in root["PolicyTypes"]
        )

    def _chain(self, account_id: str, calls: PolicyCalls) -> list[str]:
        """Return the ids from the root to the account."""
        chain, kind = [account_id], ""
        while kind != _ROOT:
            listing = partial(calls.every, _SERVICE, "ListParents", "Parents", ChildId=chain[0])
            (parent,) = self._once(("parent", chain[0]), listing)
            chain.insert(0, parent["Id"])
            kind = parent["Type"]
        return chain

    def _attached(self, calls: PolicyCalls, kind: str, target: str) -> list[Policy | Unreadable]:
        listed = attempt(
            f"the organisation's {_KINDS[kind]}",
            lambda: self._once(
                ("attached", kind, target),
                lambda: calls.every(_SERVICE, "ListPoliciesForTarget", "Policies", TargetId=target, Filter=kind),
            ),
        )
        if isinstance(listed, Unreadable):
            return [listed]
        return calls.together(*(partial(self._document, calls, policy) for policy in listed))

    def _document(self, calls: PolicyCalls, policy: Mapping[str, Any]) -> Policy | Unreadable:
        def read() -> Any:
            return calls.one(_SERVICE, "DescribePolicy", "Policy", PolicyId=policy["Id"])["Content"]

        # An organisation's policies have no versions; a scan reads each once.
        return attempt(
            "a policy of the organisation",
            lambda: self._documents.compiled(policy["Arn"], "", read, name=policy["Name"]),
        )

    def _once(self, key: tuple[str, ...], read: Callable[[], Any]) -> Any:
        """Return what is known under a key, read if it is not; a failure is not kept, since others may read it."""
        with self._lock:
            if key in self._known:
                return self._known[key]
        found = read()
        with self._lock:
            return self._known.setdefault(key, found)


def _described(calls: PolicyCalls) -> dict[str, Any] | None:
    """Return the organisation of an account, ``None`` if it is in none."""
    try:
        found: dict[str, Any] = calls.one(_SERVICE, "DescribeOrganization", "Organization")
    except ClientError as error:
        if error_code(error) == _NOT_IN_USE:
            return None
        raise
    return found


def _holes(layer: Layer) -> bool:
    if layer is None or isinstance(layer, Unreadable):
        return layer is not None
    return any(isinstance(policy, Unreadable) for level in layer for policy in level)
