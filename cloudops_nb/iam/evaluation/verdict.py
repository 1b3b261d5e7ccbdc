"""Puts together what the layers say of one request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudops_nb.iam.evaluation.layers import Finding, Outcome
from cloudops_nb.iam.truth import Truth, Unknown, every, negated, some, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOTHING = Finding(truth=False)


class Decision(StrEnum):
    """What AWS would decide, as far as the policies that are known tell."""

    ALLOWED = "allowed"
    DENIED_EXPLICIT = "denied_explicit"
    DENIED_IMPLICIT = "denied_implicit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and in one line what decided: a statement, a layer that says nothing, or what is not known."""

    decision: Decision
    by: str


@dataclass(frozen=True, slots=True)
class PrincipalSide:
    """What the layers that concern the principal say; ``None`` where there is no such layer."""

    identity: Outcome
    boundary: Outcome | None
    session: Outcome | None
    service_control: tuple[Outcome, ...]
    resource_control: tuple[Outcome, ...]

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what there is."""
        yield self.identity
        yield from (one for one in (self.boundary, self.session) if one is not None)
        yield from self.service_control
        yield from self.resource_control


@dataclass(frozen=True, slots=True)
class ResourceSide:
    """What the resource's own policy says: whether it denies, and to whom it allows.

    ``sole`` says that nothing counts unless that policy allows it, as for keys of KMS; ``other_account`` that the
    resource belongs to another account than the principal.
    """

    denies: Finding = NOTHING
    directly: Finding = NOTHING
    by_role: Finding = NOTHING
    by_account: Finding = NOTHING
    sole: bool = False
    other_account: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """A layer that has to allow, and what to say if it does not."""

    truth: Truth
    lacks: str


def combined(principal: PrincipalSide, resource: ResourceSide) -> Verdict:
    """Return the verdict: an explicit deny wins, then every layer that limits has to allow."""
    denials = [resource.denies, *(outcome.denies for outcome in principal.outcomes())]
    explicit = next((finding for finding in denials if finding.truth is True), None)
    if explicit is not None:
        return Verdict(Decision.DENIED_EXPLICIT, f"denied by {explicit.by}")
    steps = _steps(principal, resource)
    lacking = next((step for step in steps if step.truth is False), None)
    if lacking is not None:
        return Verdict(Decision.DENIED_IMPLICIT, lacking.lacks)
    open_ones = every([*(step.truth for step in steps), *(negated(finding.truth) for finding in denials)])
    if isinstance(open_ones, Unknown):
        return Verdict(Decision.UNKNOWN, f"not known: {open_ones}")
    return Verdict(Decision.ALLOWED, f"allowed by {_granting(principal, resource)}")


def _steps(principal: PrincipalSide, resource: ResourceSide) -> list[_Step]:
    """Return what has to hold, the organization's limits first."""
    granting = _across_accounts if resource.other_account else _within_account
    return [
        *_levels("service control policy", principal.service_control),
        *_levels("resource control policy", principal.resource_control),
        *granting(principal, resource),
    ]


def _levels(what: str, outcomes: Sequence[Outcome]) -> Iterator[_Step]:
    for number, outcome in enumerate(outcomes, 1):
        yield _Step(outcome.allows.truth, f"no {what} at level {number} of {len(outcomes)} allows it")


def _within_account(principal: PrincipalSide, resource: ResourceSide) -> Iterator[_Step]:
    """Yield what the principal's own account asks: what names the session or user itself is limited by nothing else."""
    direct = resource.directly.truth
    identity = principal.identity.allows.truth
    if resource.sole:
        identity = every((identity, resource.by_account.truth))
        lacks = "the resource's own policy does not allow it, without which no other policy counts"
    else:
        lacks = "no policy allows it"
    yield _Step(some((direct, resource.by_role.truth, identity)), lacks)
    yield from (_Step(some((direct, step.truth)), step.lacks) for step in _limits(principal))


def _across_accounts(principal: PrincipalSide, resource: ResourceSide) -> Iterator[_Step]:
    """Yield what two accounts ask: the resource's policy has to allow it, and so have the principal's own policies."""
    named = some((resource.directly.truth, resource.by_role.truth, resource.by_account.truth))
    yield _Step(named, "the resource belongs to another account, and its own policy does not allow it")
    yield _Step(principal.identity.allows.truth, "no policy allows it")
    yield from _limits(principal)
    yield _Step(unknown("the organization's policies for the resource's account"), "")


def _limits(principal: PrincipalSide) -> Iterator[_Step]:
    if principal.boundary is not None:
        yield _Step(principal.boundary.allows.truth, "the permissions boundary does not allow it")
    if principal.session is not None:
        yield _Step(principal.session.allows.truth, "no session policy allows it")


def _granting(principal: PrincipalSide, resource: ResourceSide) -> str:
    found = [resource.directly, principal.identity.allows, resource.by_role, resource.by_account]
    return next(finding.by for finding in found if finding.truth is True)
