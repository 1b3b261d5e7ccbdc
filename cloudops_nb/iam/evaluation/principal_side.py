"""What the layers that concern a principal say of one request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudops_nb.iam.evaluation.layers import Finding, Outcome, layer, layers_of
from cloudops_nb.iam.evaluation.resource_side import bounded
from cloudops_nb.iam.evaluation.verdict import PrincipalSide
from cloudops_nb.iam.policies.principal_element import UNNAMED
from cloudops_nb.iam.principal import PrincipalKind
from cloudops_nb.iam.principals.principal_policies import Unreadable
from cloudops_nb.iam.rules import rules
from cloudops_nb.iam.truth import Truth, every, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.iam.context import Context, Request
    from cloudops_nb.iam.evaluation.layers import Layer, PrincipalLayers
    from cloudops_nb.iam.policies.statement import Statement
    from cloudops_nb.iam.principal import Principal
    from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies

_ARN_PARTS = 6
_MISPLACED = unknown("a statement names principals where no policy can")
_ROOT = Outcome(Finding(truth=False), Finding(truth=True, by="the root user's own right"))


class PrincipalPolicyReader:
    """Tells what a principal's policies say."""

    def __init__(self, policies: PrincipalPolicies) -> None:
        self._principal: Principal = policies.principal
        self._bounded = bounded(policies)
        self._layers = _limiting(policies, layers_of(policies))

    def concerning(self, action: str) -> PrincipalLayers:
        """Return the layers with only what is about an action, which is in lower case."""
        return self._layers.concerning(action)

    def side(self, layers: PrincipalLayers, request: Request, context: Context) -> PrincipalSide:
        """Return what the layers about a request's action say of the request."""

        def applies_to_anyone(statement: Statement) -> Truth:
            return statement.applies(
                lambda pattern: pattern.match(request.arn, context), lambda test: test.holds(context)
            )

        def applies(statement: Statement) -> Truth:
            # A policy that belongs to a principal names none; one that does is no such policy.
            return every((applies_to_anyone(statement), statement.principal is None or _MISPLACED))

        def applies_to_principal(statement: Statement) -> Truth:
            named = statement.principal
            reach = UNNAMED if named is None else named.reach(self._principal, bounded=self._bounded)
            return every((applies_to_anyone(statement), reach.anyhow))

        identity = layers.identity.outcome(applies)
        return PrincipalSide(
            identity=_ROOT if self._principal.kind is PrincipalKind.ROOT else identity,
            boundary=_outcome(layers.boundary, applies),
            session=_outcome(layers.session, applies),
            service_control=tuple(layer.outcome(applies) for layer in layers.service_control),
            resource_control=tuple(layer.outcome(applies_to_principal) for layer in layers.resource_control),
        )


def _outcome(layer: Layer | None, applies: Callable[[Statement], Truth]) -> Outcome | None:
    return None if layer is None else layer.outcome(applies)


def _limiting(policies: PrincipalPolicies, layers: PrincipalLayers) -> PrincipalLayers:
    """Return the layers that limit a principal.

    Organizations leave alone the roles that belong to services. The sessions of federated users and those of a member
    account's root are never without a policy of their own.
    """
    principal = policies.principal
    if principal.arn.split(":", _ARN_PARTS - 1)[-1].startswith(rules().service_linked_roles):
        return replace(layers, service_control=(), resource_control=())
    if layers.session is None and principal.session and principal.kind is PrincipalKind.FEDERATED_USER:
        # Without one it may do nothing: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetFederationToken.html
        return replace(layers, session=layer("session policy", ()))
    if layers.session is None and principal.session and principal.kind is PrincipalKind.ROOT:
        return replace(layers, session=layer("session policy", Unreadable(principal.note)))
    return layers
