"""Verdicts: the decision on one request, combined from the findings of all layers.

The combination follows
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudops_nb.iam.evaluation.layers import EffectFinding, LayerFindings
from cloudops_nb.iam.truth import Truth, Unknown, all_hold, any_holds, negated, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NO_STATEMENT = EffectFinding(truth=False)


class Decision(StrEnum):
    """The decision that AWS would make, as far as the known policies determine it."""

    ALLOWED = "allowed"
    DENIED_EXPLICIT = "denied_explicit"
    DENIED_IMPLICIT = "denied_implicit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, and its reason in one line: a statement, a layer that does not allow, or the unknown facts."""

    decision: Decision
    by: str


@dataclass(frozen=True, slots=True)
class PrincipalSide:
    """The findings of the principal's layers; ``None`` for a missing layer."""

    identity: LayerFindings
    boundary: LayerFindings | None
    session: LayerFindings | None
    service_control: tuple[LayerFindings, ...]
    resource_control: tuple[LayerFindings, ...]

    def findings(self) -> Iterator[LayerFindings]:
        """Yield the findings of every layer that exists."""
        yield self.identity
        yield from (one for one in (self.boundary, self.session) if one is not None)
        yield from self.service_control
        yield from self.resource_control


@dataclass(frozen=True, slots=True)
class ResourceSide:
    """The findings of the resource's own policy: whether it denies, and which way of naming the principal it allows.

    Attributes:
        denies: The finding of its deny statements.
        directly: The finding of the allow statements that name the user or session itself, or everyone.
        by_role: The finding of those that name the role, or the user who opened the session.
        by_account: The finding of those that name the account.
        own_policy_required: Whether other policies count only if this one allows it, as for KMS keys.
        other_account: Whether the resource belongs to another account than the principal.
    """

    denies: EffectFinding = NO_STATEMENT
    directly: EffectFinding = NO_STATEMENT
    by_role: EffectFinding = NO_STATEMENT
    by_account: EffectFinding = NO_STATEMENT
    own_policy_required: bool = False
    other_account: bool = False


@dataclass(frozen=True, slots=True)
class _RequiredAllow:
    """A layer that must allow the request, and the reason to give if it does not (``lacks``)."""

    truth: Truth
    lacks: str


def combine_sides(principal: PrincipalSide, resource: ResourceSide) -> Verdict:
    """Return the verdict: an explicit deny wins; otherwise every layer that limits must allow."""
    denials = [resource.denies, *(layer_findings.denies for layer_findings in principal.findings())]
    explicit = next((finding for finding in denials if finding.truth is True), None)
    if explicit is not None:
        return Verdict(Decision.DENIED_EXPLICIT, f"denied by {explicit.by}")
    required = _required_allows(principal, resource)
    lacking = next((allow for allow in required if allow.truth is False), None)
    if lacking is not None:
        return Verdict(Decision.DENIED_IMPLICIT, lacking.lacks)
    undecided = all_hold([*(allow.truth for allow in required), *(negated(finding.truth) for finding in denials)])
    if isinstance(undecided, Unknown):
        return Verdict(Decision.UNKNOWN, f"not known: {undecided}")
    return Verdict(Decision.ALLOWED, f"allowed by {_granting_source(principal, resource)}")


def _required_allows(principal: PrincipalSide, resource: ResourceSide) -> list[_RequiredAllow]:
    """Return the allows that a request needs, the organization's first."""
    allows_of = _across_accounts if resource.other_account else _within_account
    return [
        *_level_allows("service control policy", principal.service_control),
        *_level_allows("resource control policy", principal.resource_control),
        *allows_of(principal, resource),
    ]


def _level_allows(kind: str, findings: Sequence[LayerFindings]) -> Iterator[_RequiredAllow]:
    for number, layer_findings in enumerate(findings, 1):
        yield _RequiredAllow(layer_findings.allows.truth, f"no {kind} at level {number} of {len(findings)} allows it")


def _within_account(principal: PrincipalSide, resource: ResourceSide) -> Iterator[_RequiredAllow]:
    """Yield the allows needed within the principal's account.

    Its boundary and session policies do not limit a grant that names the user or session itself.
    """
    direct = resource.directly.truth
    identity = principal.identity.allows.truth
    if resource.own_policy_required:
        identity = all_hold((identity, resource.by_account.truth))
        lacks = "the resource's own policy does not allow it, and without that no other policy counts"
    else:
        lacks = "no policy allows it"
    yield _RequiredAllow(any_holds((direct, resource.by_role.truth, identity)), lacks)
    yield from (_RequiredAllow(any_holds((direct, allow.truth)), allow.lacks) for allow in _limit_allows(principal))


def _across_accounts(principal: PrincipalSide, resource: ResourceSide) -> Iterator[_RequiredAllow]:
    """Yield the allows needed across accounts: of the resource's policy, and of the principal's own policies."""
    named = any_holds((resource.directly.truth, resource.by_role.truth, resource.by_account.truth))
    yield _RequiredAllow(named, "the resource belongs to another account, and its own policy does not allow it")
    yield _RequiredAllow(principal.identity.allows.truth, "no policy allows it")
    yield from _limit_allows(principal)
    yield _RequiredAllow(unknown("the organization's policies for the resource's account"), "")


def _limit_allows(principal: PrincipalSide) -> Iterator[_RequiredAllow]:
    if principal.boundary is not None:
        yield _RequiredAllow(principal.boundary.allows.truth, "the permissions boundary does not allow it")
    if principal.session is not None:
        yield _RequiredAllow(principal.session.allows.truth, "no session policy allows it")


def _granting_source(principal: PrincipalSide, resource: ResourceSide) -> str:
    found = [resource.directly, principal.identity.allows, resource.by_role, resource.by_account]
    return next(finding.by for finding in found if finding.truth is True)
