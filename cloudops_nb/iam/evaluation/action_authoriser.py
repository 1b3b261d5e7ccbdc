"""Decides on one authorisation: whether one principal may perform one action on one resource."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudops_nb.iam.context import RequestContext
from cloudops_nb.iam.evaluation.principal_side import PrincipalSideEvaluator
from cloudops_nb.iam.evaluation.request_classes import RequestClasses, ResultCache
from cloudops_nb.iam.evaluation.resource_side import ResourceSideEvaluator, requires_own_policy
from cloudops_nb.iam.evaluation.verdict import Decision, PrincipalSide, Verdict, combine_sides
from cloudops_nb.iam.principals.principal_context import principal_key_states

if TYPE_CHECKING:
    from cloudops_nb.iam.context import AuthorisationRequest
    from cloudops_nb.iam.policies.policy import Policy
    from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies, Unreadable

#: Maximum number of actions whose request classes are cached.
_ACTIONS = 10_000


class ActionAuthoriser:
    """Decides whether one principal may perform an action on a resource; thread-safe.

    Which of the principal's policies allow or deny a request depends only on which of their resource patterns match and
    which of their condition tests hold. Requests with the same matches and test results form a class. With
    ``remember``, the results for each class are cached.
    """

    def __init__(self, policies: PrincipalPolicies, *, remember: bool) -> None:
        self._principal = policies.principal
        self._keys = principal_key_states(policies)
        self._principal_side = PrincipalSideEvaluator(policies)
        self._resource_side = ResourceSideEvaluator(policies)
        self._remember = remember
        self._classes_by_action: ResultCache[RequestClasses] = ResultCache(_ACTIONS)

    def verdict(self, request: AuthorisationRequest, resource_policy: Policy | Unreadable | None) -> Verdict:
        """Return the verdict on a request; ``resource_policy`` is ``None`` if the resource has no policy of its own."""
        context = self.context(request)
        if request.context or not self._remember:
            layers = self._principal_side.about_action(request.action.lower())
            side = self._principal_side.evaluate(layers, request, context)
            return self._combine(side, request, resource_policy, context)
        request_classes = self.request_classes(request.action)
        request_class = request_classes.class_of(request, context)

        def compute_verdict() -> Verdict:
            side = request_classes.sides.get_or_compute(
                request_class, lambda: self._principal_side.evaluate(request_classes.layers, request, context)
            )
            return self._combine(side, request, resource_policy, context)

        if resource_policy is not None:
            return compute_verdict()
        return request_classes.verdicts.get_or_compute(
            (request_class, request.account_id, requires_own_policy(request)), compute_verdict
        )

    def request_classes(self, action: str) -> RequestClasses:
        """Return the classes of the requests for an action, with the cached results of each class."""
        lower = action.lower()
        return self._classes_by_action.get_or_compute(
            lower, lambda: RequestClasses(self._principal_side.about_action(lower))
        )

    def context(self, request: AuthorisationRequest) -> RequestContext:
        """Return the condition keys of a request."""
        return RequestContext(request, self._keys, self._principal.partition)

    def _combine(
        self,
        principal: PrincipalSide,
        request: AuthorisationRequest,
        resource_policy: Policy | Unreadable | None,
        context: RequestContext,
    ) -> Verdict:
        resource = self._resource_side.evaluate(request, resource_policy, context)
        if resource.cross_account:
            # Only the resource control policies of the resource's account apply. Those that were read belong to the
            # principal's account, so they do not count.
            principal = replace(principal, resource_control=())
        verdict = combine_sides(principal, resource)
        accounts_known = request.account_id and self._principal.account_id
        if accounts_known or verdict.decision is Decision.DENIED_EXPLICIT:
            return verdict
        return Verdict(Decision.UNKNOWN, "not known: the account of the principal or of the resource")
