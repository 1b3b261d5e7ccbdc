"""Evaluates a resource's own policy, such as the policy of a bucket.

The result says whether the policy denies a request, and how it names the principal if it allows the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.iam.evaluation.layers import EffectFinding, policy_layer
from cloudops_nb.iam.evaluation.verdict import ResourceSide
from cloudops_nb.iam.policies.principal_element import NO_PRINCIPAL_ELEMENT
from cloudops_nb.iam.principal import ARN_PARTS
from cloudops_nb.iam.principals.principal_policies import Unreadable
from cloudops_nb.iam.rules import evaluation_rules
from cloudops_nb.iam.truth import Truth, all_hold, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.iam.context import AuthorisationRequest, RequestContext
    from cloudops_nb.iam.policies.policy import Policy
    from cloudops_nb.iam.policies.principal_element import PrincipalMatch
    from cloudops_nb.iam.policies.statement import Statement
    from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies

_MISSING = Unreadable("the resource's own policy is not given")


class ResourceSideEvaluator:
    """Evaluates the policies that resources have of their own, for requests of one principal."""

    def __init__(self, policies: PrincipalPolicies) -> None:
        self._principal = policies.principal
        self._has_boundary = has_boundary(policies)

    def evaluate(
        self, request: AuthorisationRequest, policy: Policy | Unreadable | None, context: RequestContext
    ) -> ResourceSide:
        """Return what a resource's own policy says about a request; ``policy`` is ``None`` if there is none."""
        own_policy_required = requires_own_policy(request)
        cross_account = request.account_id != self._principal.account_id
        if policy is None:
            if not own_policy_required:
                return ResourceSide(cross_account=cross_account)
            policy = _MISSING
        layer = policy_layer("", policy if isinstance(policy, Unreadable) else (policy,)).about_action(
            request.action.lower()
        )
        found = {one: (self._applies(one, request, context), self._principal_match(one)) for one in layer.statements}

        def finding(named: Callable[[PrincipalMatch], Truth], *, denies: bool = False) -> EffectFinding:
            return layer.effect_finding(lambda one: all_hold((found[one][0], named(found[one][1]))), denies=denies)

        return ResourceSide(
            denies=finding(lambda match: match.in_any_way, denies=True),
            directly=finding(lambda match: match.directly),
            by_role=finding(lambda match: match.by_role),
            by_account=finding(lambda match: match.by_account),
            own_policy_required=own_policy_required,
            cross_account=cross_account,
        )

    def _applies(self, statement: Statement, request: AuthorisationRequest, context: RequestContext) -> Truth:
        return statement.applies(lambda pattern: pattern.match(request.arn, context), lambda test: test.holds(context))

    def _principal_match(self, statement: Statement) -> PrincipalMatch:
        if statement.principal is None:
            return NO_PRINCIPAL_ELEMENT
        return statement.principal.match(self._principal, has_boundary=self._has_boundary)


def has_boundary(policies: PrincipalPolicies) -> Truth:
    """Return whether a principal has a permissions boundary; unknown if the boundary could not be read."""
    boundary = policies.boundary
    return unknown(boundary.why) if isinstance(boundary, Unreadable) else boundary is not None


def requires_own_policy(request: AuthorisationRequest) -> bool:
    """Return whether identity policies count only if the resource's own policy allows the account, as for KMS keys.

    If the ARN does not have six parts, this is assumed for every resource of a service that has such resources, except
    for actions on no specific resource.
    """
    if request.action.lower() in evaluation_rules().without_resource:
        return False
    resource_prefix = evaluation_rules().own_policy_required.get(request.service)
    parts = request.arn.split(":", ARN_PARTS - 1)
    return resource_prefix is not None and (len(parts) != ARN_PARTS or parts[-1].startswith(resource_prefix))
