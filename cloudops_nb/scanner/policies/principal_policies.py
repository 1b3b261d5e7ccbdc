"""Reads all policies that decide what an account's acting principal may do, except those of the resources.

The acting principal runs plans in the account.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.iam import PrincipalKind, PrincipalPolicies, Unreadable
from cloudops_nb.scanner.policies.acting_principal import ActingPrincipal
from cloudops_nb.scanner.policies.authorization_details import identity_from_details
from cloudops_nb.scanner.policies.identity_policies import IAM_NOUNS, IdentityPolicies, IdentityPolicyReader
from cloudops_nb.scanner.policies.organization_policies import OrganizationLayers

if TYPE_CHECKING:
    from cloudops_nb.iam import Principal
    from cloudops_nb.scanner.policies.organization_policies import OrganizationPolicies
    from cloudops_nb.scanner.policies.policy_calls import PolicyCache, PolicyCalls


class PrincipalPolicyReader:
    """Reads the policies of one account's acting principal, with the credentials with which the account is scanned.

    Args:
        calls: Makes the calls into the account.
        cache: The policies that the scan has already read.
        organizations: Reads the control policies of organizations.
    """

    def __init__(self, calls: PolicyCalls, cache: PolicyCache, organizations: OrganizationPolicies) -> None:
        self._calls = calls
        self._cache = cache
        self._organizations = organizations

    def read(self, acting: ActingPrincipal) -> PrincipalPolicies:
        """Return the policies, grouped by kind; an ``Unreadable`` with the reason replaces what could not be read.

        Raises:
            CredentialsExpiredError: The credentials expired.
            ScanStoppedError: The scan was stopped.
        """
        principal = acting.principal
        parts: list[Any] = self._calls.in_parallel(
            lambda: self._identity(principal), lambda: self._organizations.layers(principal.account_id, self._calls)
        )
        return _combined_policies(acting, *parts)

    def _identity(self, principal: Principal) -> IdentityPolicies:
        if principal.kind is PrincipalKind.ROOT:
            # The root user needs no identity policy, and cannot have one.
            return IdentityPolicies(principal.arn, {}, None, [])
        if principal.kind not in IAM_NOUNS:
            unknown = Unreadable(principal.note)
            return IdentityPolicies(principal.arn, unknown, unknown, [unknown])
        identity = IdentityPolicyReader(self._calls, self._cache, principal).read()
        if identity.has_denied_parts:
            identity = identity.with_gaps_filled(identity_from_details(self._calls, self._cache, principal))
        return identity


def unreadable_policies(principal: Principal, why: str) -> PrincipalPolicies:
    """Return policies of which every kind is unreadable for the same reason."""
    unknown = Unreadable(why)
    return _combined_policies(
        ActingPrincipal(principal, unknown, may_have_session_tags=True),
        IdentityPolicies(unknown, unknown, unknown, [unknown]),
        OrganizationLayers(unknown, unknown),
    )


def _combined_policies(
    acting: ActingPrincipal, identity: IdentityPolicies, organization: OrganizationLayers
) -> PrincipalPolicies:
    principal = acting.principal
    if not isinstance(identity.arn, Unreadable):
        principal = replace(principal, arn=identity.arn, note="")
    return PrincipalPolicies(
        principal=principal,
        tags=None if acting.may_have_session_tags or isinstance(identity.tags, Unreadable) else identity.tags,
        identity=identity.policies,
        boundary=identity.boundary,
        service_control=organization.service_control,
        resource_control=organization.resource_control,
        session=acting.session_policy,
        known_context=organization.context,
    )
