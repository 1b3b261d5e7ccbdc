"""Layers of policies, and the findings of each layer about one request.

A layer holds the policies of one kind, such as the identity policies, or the service control policies of one level of
an organization. The findings of a layer say whether it denies the request and whether it allows the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.iam.policies.policy import Policy
from cloudops_nb.iam.principals.principal_policies import Unreadable
from cloudops_nb.iam.truth import Truth, Unknown, any_holds, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cloudops_nb.iam.policies.statement import Statement
    from cloudops_nb.iam.principals.principal_policies import Levels, Policies, PrincipalPolicies


@dataclass(frozen=True, slots=True)
class EffectFinding:
    """Whether any statement with one effect (allow or deny) applies to a request; if so, ``by`` names the statement."""

    truth: Truth
    by: str = ""


@dataclass(frozen=True, slots=True)
class LayerFindings:
    """The findings of one layer: whether it denies a request, and whether it allows the request."""

    denies: EffectFinding
    allows: EffectFinding


@dataclass(frozen=True, eq=False, slots=True)
class Layer:
    """The statements of the policies of one kind.

    Attributes:
        kind: The kind of policy, such as ``permissions boundary``, shown before the name of a statement in reasons.
            Empty for a resource's own policy.
        statements: The statements of all policies that were read.
        unread: A reason for each policy that was not read.
    """

    kind: str
    statements: tuple[Statement, ...]
    unread: tuple[str, ...] = ()

    def about_action(self, action: str) -> Layer:
        """Return a layer with only the statements that cover an action; ``action`` must be in lower case."""
        about = tuple(statement for statement in self.statements if statement.covers_action(action))
        return Layer(self.kind, about, self.unread)

    def findings(self, applies: Callable[[Statement], Truth]) -> LayerFindings:
        """Return the layer's findings; ``applies`` returns whether a statement applies to the request."""
        return LayerFindings(self.effect_finding(applies, denies=True), self.effect_finding(applies, denies=False))

    def effect_finding(self, applies: Callable[[Statement], Truth], *, denies: bool) -> EffectFinding:
        """Return the finding of the statements that deny, or, if ``denies`` is false, of the statements that allow."""
        results = [(statement, applies(statement)) for statement in self.statements if statement.denies is denies]
        deciding = next((statement for statement, truth in results if truth is True), None)
        if deciding is not None:
            return EffectFinding(truth=True, by=self._statement_name(deciding))
        named = (self._with_statement_name(statement, truth) for statement, truth in results)
        return EffectFinding(any_holds((*named, *map(unknown, self.unread))))

    def _with_statement_name(self, statement: Statement, truth: Truth) -> Truth:
        """Return the same truth value; if it is unknown, each reason begins with the statement's name."""
        if not isinstance(truth, Unknown):
            return truth
        return Unknown(tuple(f"{self._statement_name(statement)}: {why}" for why in truth.reasons))

    def _statement_name(self, statement: Statement) -> str:
        return f"{self.kind} {statement.source}".lstrip()


@dataclass(frozen=True, eq=False, slots=True)
class PrincipalLayers:
    """The layers of a principal's policies.

    ``boundary`` or ``session`` is ``None`` if the principal has no policy of this kind. The control policies of an
    organization have one layer per level, from the organization's root to the account.
    """

    identity: Layer
    boundary: Layer | None
    session: Layer | None
    service_control: tuple[Layer, ...]
    resource_control: tuple[Layer, ...]

    def about_action(self, action: str) -> PrincipalLayers:
        """Return layers with only the statements that cover an action; ``action`` must be in lower case."""
        return PrincipalLayers(
            self.identity.about_action(action),
            self.boundary and self.boundary.about_action(action),
            self.session and self.session.about_action(action),
            tuple(level.about_action(action) for level in self.service_control),
            tuple(level.about_action(action) for level in self.resource_control),
        )

    def __iter__(self) -> Iterator[Layer]:
        optional = (layer for layer in (self.boundary, self.session) if layer is not None)
        return iter((self.identity, *optional, *self.service_control, *self.resource_control))


def principal_layers(policies: PrincipalPolicies) -> PrincipalLayers:
    """Group a principal's policies into layers."""
    boundary = policies.boundary
    return PrincipalLayers(
        identity=policy_layer("policy", policies.identity),
        boundary=None
        if boundary is None
        else policy_layer("permissions boundary", boundary if isinstance(boundary, Unreadable) else (boundary,)),
        session=None if policies.session is None else policy_layer("session policy", policies.session),
        service_control=_level_layers("service control policy", policies.service_control),
        resource_control=_level_layers("resource control policy", policies.resource_control),
    )


def _level_layers(kind: str, levels: Levels | Unreadable | None) -> tuple[Layer, ...]:
    if levels is None:
        return ()
    if isinstance(levels, Unreadable):
        return (policy_layer(kind, levels),)
    return tuple(policy_layer(kind, level) for level in levels)


def policy_layer(kind: str, policies: Policies | Unreadable) -> Layer:
    """Return one layer that holds all the given policies; ``kind`` is their name in reasons."""
    listed: Iterable[Policy | Unreadable] = (policies,) if isinstance(policies, Unreadable) else policies
    known = [one for one in listed if isinstance(one, Policy)]
    return Layer(
        kind,
        tuple(statement for policy in known for statement in policy.statements),
        tuple(one.why for one in listed if isinstance(one, Unreadable)),
    )
