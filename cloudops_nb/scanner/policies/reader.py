"""Puts together everything that decides what an account's acting principal may do, apart from the resource."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.iam import PrincipalKind, PrincipalPolicies, Unreadable
from cloudops_nb.scanner.policies.account_details import identity_from_details
from cloudops_nb.scanner.policies.acting import Acting
from cloudops_nb.scanner.policies.identity import WORDS, Identity, IdentityReader
from cloudops_nb.scanner.policies.organization import OrganizationLayers

if TYPE_CHECKING:
    from cloudops_nb.iam import Principal
    from cloudops_nb.scanner.policies.organization import Organizations
    from cloudops_nb.scanner.policies.policy_calls import Documents, PolicyCalls


class PolicyReader:
    """Reads the policies of one account's acting principal, with the rights of the one that reads.

    Args:
        calls: The calls into the account.
        documents: The scan's policies.
        organizations: The scan's organisations.
    """

    def __init__(self, calls: PolicyCalls, documents: Documents, organizations: Organizations) -> None:
        self._calls = calls
        self._documents = documents
        self._organizations = organizations

    def read(self, acting: Acting) -> PrincipalPolicies:
        """Return every layer, those that could not be read as unreadable.

        Raises:
            ExpiredError: The credentials expired.
            ScanStoppedError: The scan was stopped.
        """
        principal = acting.principal
        parts: list[Any] = self._calls.together(
            lambda: self._identity(principal), lambda: self._organizations.layers(principal.account_id, self._calls)
        )
        return _combined(acting, *parts)

    def _identity(self, principal: Principal) -> Identity:
        if principal.kind is PrincipalKind.ROOT:
            # Root needs no policy, and none but the organisation's limits it.
            return Identity(principal.arn, {}, None, [])
        if principal.kind not in WORDS:
            unknown = Unreadable(principal.note)
            return Identity(principal.arn, unknown, unknown, [unknown])
        identity = IdentityReader(self._calls, self._documents, principal).read()
        if identity.refused:
            identity = identity.filled(identity_from_details(self._calls, self._documents, principal))
        return identity


def unreadable_policies(principal: Principal, why: str) -> PrincipalPolicies:
    """Return the policies of a principal of which nothing could be read."""
    unknown = Unreadable(why)
    return _combined(
        Acting(principal, unknown, tagged=True),
        Identity(unknown, unknown, unknown, [unknown]),
        OrganizationLayers(unknown, unknown),
    )


def _combined(acting: Acting, identity: Identity, organisation: OrganizationLayers) -> PrincipalPolicies:
    principal = acting.principal
    if not isinstance(identity.arn, Unreadable):
        principal = replace(principal, arn=identity.arn, note="")
    return PrincipalPolicies(
        principal=principal,
        tags=None if acting.tagged or isinstance(identity.tags, Unreadable) else identity.tags,
        identity=identity.policies,
        boundary=identity.boundary,
        service_control=organisation.service_control,
        resource_control=organisation.resource_control,
        session=acting.session,
        known_context=organisation.context,
    )
