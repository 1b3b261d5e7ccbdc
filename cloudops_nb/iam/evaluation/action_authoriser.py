"""Decides one authorisation: one action of one principal on one resource."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudops_nb.iam.context import Context
from cloudops_nb.iam.evaluation.principal_side import PrincipalPolicyReader
from cloudops_nb.iam.evaluation.request_classes import ActionClasses, Memory
from cloudops_nb.iam.evaluation.resource_side import ResourcePolicyReader, is_sole
from cloudops_nb.iam.evaluation.verdict import Decision, PrincipalSide, Verdict, combined
from cloudops_nb.iam.principals.principal_context import principal_keys

if TYPE_CHECKING:
    from cloudops_nb.iam.context import Request
    from cloudops_nb.iam.policies.policy import Policy
    from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies, Unreadable

_ACTIONS = 10_000


class Authorisation:
    """Decides whether one principal may do an action to a resource; thread-safe.

    What the principal's policies say depends only on which of their resource patterns match and which of their tests
    hold. It is worked out once for each such class of requests.
    """

    def __init__(self, policies: PrincipalPolicies, *, remember: bool) -> None:
        self._principal = policies.principal
        self._keys = principal_keys(policies)
        self._principal_policies = PrincipalPolicyReader(policies)
        self._resource_policies = ResourcePolicyReader(policies)
        self._remember = remember
        self._actions: Memory[ActionClasses] = Memory(_ACTIONS)

    def verdict(self, request: Request, resource_policy: Policy | Unreadable | None) -> Verdict:
        """Return the verdict on one request, given the policy of the resource, ``None`` if it has none."""
        context = self.context(request)
        if request.context or not self._remember:
            layers = self._principal_policies.concerning(request.action.lower())
            side = self._principal_policies.side(layers, request, context)
            return self._combined(side, request, resource_policy, context)
        classes = self.classes(request.action)
        alike = classes.of(request, context)

        def worked_out() -> Verdict:
            side = classes.sides.result(alike, lambda: self._principal_policies.side(classes.layers, request, context))
            return self._combined(side, request, resource_policy, context)

        if resource_policy is not None:
            return worked_out()
        return classes.verdicts.result((alike, request.account_id, is_sole(request)), worked_out)

    def classes(self, action: str) -> ActionClasses:
        """Return what is remembered of an action."""
        name = action.lower()
        return self._actions.result(name, lambda: ActionClasses(self._principal_policies.concerning(name)))

    def context(self, request: Request) -> Context:
        """Return the condition keys of a request."""
        return Context(request, self._keys, self._principal.partition)

    def _combined(
        self, principal: PrincipalSide, request: Request, resource_policy: Policy | Unreadable | None, context: Context
    ) -> Verdict:
        resource = self._resource_policies.side(request, resource_policy, context)
        if resource.other_account:
            # Resource control policies are those of the account that owns the resource.
            principal = replace(principal, resource_control=())
        verdict = combined(principal, resource)
        known = request.account_id and self._principal.account_id
        if known or verdict.decision is Decision.DENIED_EXPLICIT:
            return verdict
        return Verdict(Decision.UNKNOWN, "not known: which account it is about")
