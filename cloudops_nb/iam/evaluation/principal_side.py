"""Evaluates one request against the layers of a principal's policies.

A layer holds the policies of one kind. Its findings say whether it denies the request and whether it allows it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudops_nb.iam.evaluation.layers import EffectFinding, LayerFindings, policy_layer, principal_layers
from cloudops_nb.iam.evaluation.resource_side import has_boundary
from cloudops_nb.iam.evaluation.verdict import PrincipalSide
from cloudops_nb.iam.policies.principal_element import NO_PRINCIPAL_ELEMENT
from cloudops_nb.iam.principal import ARN_PARTS, PrincipalKind
from cloudops_nb.iam.principals.principal_policies import Unreadable
from cloudops_nb.iam.rules import evaluation_rules
from cloudops_nb.iam.truth import Truth, all_hold, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.iam.context import AuthorisationRequest, RequestContext
    from cloudops_nb.iam.evaluation.layers import Layer, PrincipalLayers
    from cloudops_nb.iam.policies.statement import Statement
    from cloudops_nb.iam.principal import Principal
    from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies

_MISPLACED = unknown("a statement names principals, which this kind of policy cannot")
_ROOT_IDENTITY = LayerFindings(EffectFinding(truth=False), EffectFinding(truth=True, by="the root user's own right"))


class PrincipalSideEvaluator:
    """Evaluates one principal's policies. The policies that resources have of their own are evaluated separately."""

    def __init__(self, policies: PrincipalPolicies) -> None:
        self._principal: Principal = policies.principal
        self._has_boundary = has_boundary(policies)
        self._layers = _limiting_layers(policies, principal_layers(policies))

    def about_action(self, action: str) -> PrincipalLayers:
        """Return the layers with only the statements that cover an action; ``action`` must be in lower case."""
        return self._layers.about_action(action)

    def evaluate(
        self, layers: PrincipalLayers, request: AuthorisationRequest, context: RequestContext
    ) -> PrincipalSide:
        """Return the findings about a request; ``layers`` is the result of :meth:`about_action` for its action."""

        def applies_to_anyone(statement: Statement) -> Truth:
            return statement.applies(
                lambda pattern: pattern.match(request.arn, context), lambda test: test.holds(context)
            )

        def applies(statement: Statement) -> Truth:
            # In identity, boundary, session and service control policies, AWS rejects a Principal element.
            return all_hold((applies_to_anyone(statement), statement.principal is None or _MISPLACED))

        def applies_to_identity(statement: Statement) -> Truth:
            # AWS documents only for Resource, and not for NotResource, that it completes ARNs.
            if statement.not_resources:
                return applies(statement)
            applies_here = statement.applies(
                lambda pattern: pattern.match_completed(request.arn, context), lambda test: test.holds(context)
            )
            return all_hold((applies_here, statement.principal is None or _MISPLACED))

        def applies_to_principal(statement: Statement) -> Truth:
            element = statement.principal
            match = (
                NO_PRINCIPAL_ELEMENT
                if element is None
                else element.match(self._principal, has_boundary=self._has_boundary)
            )
            return all_hold((applies_to_anyone(statement), match.in_any_way))

        identity = layers.identity.findings(applies_to_identity)
        return PrincipalSide(
            identity=_ROOT_IDENTITY if self._principal.kind is PrincipalKind.ROOT else identity,
            boundary=_optional_findings(layers.boundary, applies),
            session=_optional_findings(layers.session, applies),
            service_control=tuple(layer.findings(applies) for layer in layers.service_control),
            resource_control=tuple(layer.findings(applies_to_principal) for layer in layers.resource_control),
        )


def _optional_findings(layer: Layer | None, applies: Callable[[Statement], Truth]) -> LayerFindings | None:
    return None if layer is None else layer.findings(applies)


def _limiting_layers(policies: PrincipalPolicies, layers: PrincipalLayers) -> PrincipalLayers:
    """Return a principal's layers, adapted to service-linked roles, federated users and root sessions.

    The policies of an organization do not limit service-linked roles. The session of a federated user has no
    permissions if it was opened without a session policy. A root session always has a session policy, which cannot be
    read.
    """
    principal = policies.principal
    if principal.arn.split(":", ARN_PARTS - 1)[-1].startswith(evaluation_rules().service_linked_roles):
        return replace(layers, service_control=(), resource_control=())
    if layers.session is None and principal.session and principal.kind is PrincipalKind.FEDERATED_USER:
        # Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
        return replace(layers, session=policy_layer("session policy", ()))
    if layers.session is None and principal.session and principal.kind is PrincipalKind.ROOT:
        return replace(layers, session=policy_layer("session policy", Unreadable(principal.note)))
    return layers
