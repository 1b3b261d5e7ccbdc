"""What a resource's own policy says of a request: whether it denies, and how directly it names those it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.iam.evaluation.layers import Finding, layer
from cloudops_nb.iam.evaluation.verdict import ResourceSide
from cloudops_nb.iam.policies.principal_element import UNNAMED
from cloudops_nb.iam.principals.principal_policies import Unreadable
from cloudops_nb.iam.rules import rules
from cloudops_nb.iam.truth import Truth, every, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.iam.context import Context, Request
    from cloudops_nb.iam.policies.policy import Policy
    from cloudops_nb.iam.policies.principal_element import Reach
    from cloudops_nb.iam.policies.statement import Statement
    from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies

_ARN_PARTS = 6
_MISSING = Unreadable("the resource's own policy is not given")


class ResourcePolicyReader:
    """Tells what policies of resources say to one principal."""

    def __init__(self, policies: PrincipalPolicies) -> None:
        self._principal = policies.principal
        self._bounded = bounded(policies)

    def side(self, request: Request, policy: Policy | Unreadable | None, context: Context) -> ResourceSide:
        """Return what a resource's policy says; ``None`` if it has none."""
        sole = is_sole(request)
        other = request.account_id != self._principal.account_id
        if policy is None:
            if not sole:
                return ResourceSide(other_account=other)
            policy = _MISSING
        about = layer("", policy if isinstance(policy, Unreadable) else (policy,)).concerning(request.action.lower())
        found = {one: (self._applies(one, request, context), self._reach(one)) for one in about.statements}

        def finding(how: Callable[[Reach], Truth], *, denies: bool = False) -> Finding:
            return about.finding(lambda one: every((found[one][0], how(found[one][1]))), denies=denies)

        return ResourceSide(
            denies=finding(lambda reach: reach.anyhow, denies=True),
            directly=finding(lambda reach: reach.directly),
            by_role=finding(lambda reach: reach.by_role),
            by_account=finding(lambda reach: reach.by_account),
            sole=sole,
            other_account=other,
        )

    def _applies(self, statement: Statement, request: Request, context: Context) -> Truth:
        return statement.applies(lambda pattern: pattern.match(request.arn, context), lambda test: test.holds(context))

    def _reach(self, statement: Statement) -> Reach:
        if statement.principal is None:
            return UNNAMED
        return statement.principal.reach(self._principal, bounded=self._bounded)


def bounded(policies: PrincipalPolicies) -> Truth:
    """Return whether a principal has a permissions boundary; one that could not be read may not be there."""
    boundary = policies.boundary
    return unknown(boundary.why) if isinstance(boundary, Unreadable) else boundary is not None


def is_sole(request: Request) -> bool:
    """Return whether nothing counts unless the resource's own policy allows it."""
    beginning = rules().sole_policies.get(request.service)
    parts = request.arn.split(":", _ARN_PARTS - 1)
    return beginning is not None and (len(parts) != _ARN_PARTS or parts[-1].startswith(beginning))
