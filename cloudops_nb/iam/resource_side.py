"""What a resource's own policy says of a request: whether it denies, and how directly it names those it allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.iam.combination import ResourceSide
from cloudops_nb.iam.layers import Finding, layer
from cloudops_nb.iam.principal_element import UNNAMED
from cloudops_nb.iam.rules import rules
from cloudops_nb.iam.truth import Truth, every
from cloudops_nb.iam.verdict import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.iam.context import Context, Request
    from cloudops_nb.iam.policy import Policy
    from cloudops_nb.iam.principal import Principal
    from cloudops_nb.iam.principal_element import Reach
    from cloudops_nb.iam.statement import Statement

_ARN_PARTS = 6
_MISSING = Unreadable("the resource's own policy is not given")


class ResourcePolicyReader:
    """Tells what policies of resources say to one principal."""

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    def side(self, request: Request, policy: Policy | Unreadable | None, context: Context) -> ResourceSide:
        """Return what a resource's policy says; ``None`` if it has none."""
        sole = is_sole(request)
        other = request.account_id != self._principal.account_id
        if policy is None:
            if not sole:
                return ResourceSide(other_account=other)
            policy = _MISSING
        about = layer("", policy if isinstance(policy, Unreadable) else (policy,)).concerning(request.action.lower())
        applying = {statement: self._applies(statement, request, context) for statement in about.statements}

        def allowing(how: Callable[[Reach], Truth]) -> Finding:
            return about.outcome(lambda one: every((applying[one], how(self._reach(one))))).allows

        return ResourceSide(
            denies=about.outcome(lambda one: every((applying[one], self._reach(one).anyhow))).denies,
            directly=allowing(lambda reach: reach.directly),
            by_role=allowing(lambda reach: reach.by_role),
            by_account=allowing(lambda reach: reach.by_account),
            sole=sole,
            other_account=other,
        )

    def _applies(self, statement: Statement, request: Request, context: Context) -> Truth:
        return statement.applies(lambda pattern: pattern.match(request.arn, context), lambda test: test.holds(context))

    def _reach(self, statement: Statement) -> Reach:
        return UNNAMED if statement.principal is None else statement.principal.reach(self._principal)


def is_sole(request: Request) -> bool:
    """Return whether nothing counts unless the resource's own policy allows it."""
    beginning = rules().sole_policies.get(request.service)
    parts = request.arn.split(":", _ARN_PARTS - 1)
    return beginning is not None and (len(parts) != _ARN_PARTS or parts[-1].startswith(beginning))
