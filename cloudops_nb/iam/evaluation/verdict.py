"""Verdicts: the decision on one request, combined from the findings of all layers of policies.

A layer holds the policies of one kind; its findings say whether it denies the request and whether it allows it. These
pages of AWS define how the findings are combined:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from cloudops_nb.iam.evaluation.layers import EffectFinding, LayerFindings
from cloudops_nb.iam.truth import Truth, Unknown, all_hold, any_holds, negated, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NO_STATEMENT = EffectFinding(truth=False)


class Decision(StrEnum):
    """The decision that AWS would make; ``UNKNOWN`` if the known policies do not determine it."""

    ALLOWED = "allowed"
    DENIED_EXPLICIT = "denied_explicit"
    DENIED_IMPLICIT = "denied_implicit"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision on one request.

    Attributes:
        decision: What AWS would decide.
        by: The reason in one line: a statement, a layer that does not allow, or the unknown facts.
        allowed_by_account: True if the decision is unknown only because of an organization's policies: all policies of
            the account and of the resource allow the request.
    """

    decision: Decision
    by: str
    allowed_by_account: bool = False


@dataclass(frozen=True, slots=True)
class PrincipalSide:
    """The findings of the principal's layers.

    ``boundary`` or ``session`` is ``None`` if the principal has no policy of this kind. The control policies are those
    that apply to the principal's own account, with one item per level, from the organization's root to the account.
    """

    identity: LayerFindings
    boundary: LayerFindings | None
    session: LayerFindings | None
    service_control: tuple[LayerFindings, ...]
    resource_control: tuple[LayerFindings, ...]

    def findings(self) -> Iterator[LayerFindings]:
        """Yield the findings of all layers; a missing boundary or session policy has no findings."""
        yield self.identity
        yield from (one for one in (self.boundary, self.session) if one is not None)
        yield from self.service_control
        yield from self.resource_control


@dataclass(frozen=True, slots=True)
class ResourceSide:
    """The findings of the resource's own policy: one for its deny statements, and three for its allow statements.

    Each of the three is about the allow statements that name the principal in one way.

    Attributes:
        denies: The finding of the deny statements.
        directly: The finding of the allow statements that name the user or session itself, or everyone.
        by_role: The finding of the allow statements that name the role, or the user who opened the session.
        by_account: The finding of the allow statements that name the account.
        own_policy_required: True if identity policies count only if this policy allows the account, as for KMS keys.
        cross_account: True if the resource and the principal belong to different accounts.
    """

    denies: EffectFinding = NO_STATEMENT
    directly: EffectFinding = NO_STATEMENT
    by_role: EffectFinding = NO_STATEMENT
    by_account: EffectFinding = NO_STATEMENT
    own_policy_required: bool = False
    cross_account: bool = False


@dataclass(frozen=True, slots=True)
class _Requirement:
    """Something that must be true for the request to be allowed, and the reason to report if it is false."""

    truth: Truth
    reason_if_not: str


def combine_sides(principal: PrincipalSide, resource: ResourceSide) -> Verdict:
    """Return the verdict on a request.

    An explicit deny wins. Otherwise a policy must grant the request, and every limiting policy must allow it. If an
    unknown fact could change the decision, the decision is ``UNKNOWN``.
    """
    denials = [resource.denies, *(layer_findings.denies for layer_findings in principal.findings())]
    explicit = next((finding for finding in denials if finding.truth is True), None)
    if explicit is not None:
        return Verdict(Decision.DENIED_EXPLICIT, f"denied by {explicit.by}")
    requirements = _requirements(principal, resource)
    unmet = next((each for each in requirements if each.truth is False), None)
    if unmet is not None:
        return Verdict(Decision.DENIED_IMPLICIT, unmet.reason_if_not)
    outcome = all_hold([*(each.truth for each in requirements), *(negated(finding.truth) for finding in denials)])
    if isinstance(outcome, Unknown):
        by = f"not known: {outcome}"
        if not _account_allows(principal, resource):
            return Verdict(Decision.UNKNOWN, by)
        granted = f"allowed unless the organisation denies, by {_granting_source(principal, resource)}"
        return Verdict(Decision.UNKNOWN, f"{granted}; {by}", allowed_by_account=True)
    return Verdict(Decision.ALLOWED, f"allowed by {_granting_source(principal, resource)}")


def _account_allows(principal: PrincipalSide, resource: ResourceSide) -> bool:
    """Return whether a request is certainly allowed if no organization limits it."""
    unlimited = replace(principal, service_control=(), resource_control=())
    account_requirements = _across_accounts if resource.cross_account else _within_account
    truths = (each.truth for each in account_requirements(unlimited, resource))
    denials = (resource.denies.truth, *(layer_findings.denies.truth for layer_findings in unlimited.findings()))
    return all(truth is True for truth in truths) and all(truth is False for truth in denials)


def _requirements(principal: PrincipalSide, resource: ResourceSide) -> list[_Requirement]:
    """Return the requirements that a request must meet, those of the organization's policies first."""
    account_requirements = _across_accounts if resource.cross_account else _within_account
    return [
        *_level_requirements("service control policy", principal.service_control),
        *_level_requirements("resource control policy", principal.resource_control),
        *account_requirements(principal, resource),
        *_other_organization(resource),
    ]


def _level_requirements(kind: str, findings: Sequence[LayerFindings]) -> Iterator[_Requirement]:
    for number, layer_findings in enumerate(findings, 1):
        reason_if_not = f"no {kind} allows it at level {number} of {len(findings)} from the root"
        yield _Requirement(layer_findings.allows.truth, reason_if_not)


def _within_account(principal: PrincipalSide, resource: ResourceSide) -> Iterator[_Requirement]:
    """Yield the requirements if the resource is in the principal's account.

    If the resource's policy grants the request to the user or session itself, boundary and session policies do not
    limit this grant.
    """
    direct = resource.directly.truth
    identity = principal.identity.allows.truth
    if resource.own_policy_required:
        identity = all_hold((identity, resource.by_account.truth))
        reason_if_not = "the resource's own policy does not allow it, and other policies count only if it does"
    else:
        reason_if_not = "no policy allows it"
    yield _Requirement(any_holds((direct, resource.by_role.truth, identity)), reason_if_not)
    for limit in _limits(principal):
        yield _Requirement(any_holds((direct, limit.truth)), limit.reason_if_not)


def _across_accounts(principal: PrincipalSide, resource: ResourceSide) -> Iterator[_Requirement]:
    """Yield the requirements if the resource is in another account.

    Both the resource's policy and the principal's policies must allow the request.
    """
    named = any_holds((resource.directly.truth, resource.by_role.truth, resource.by_account.truth))
    yield _Requirement(named, "the resource belongs to another account, and its own policy does not allow it")
    yield _Requirement(principal.identity.allows.truth, "no policy of the principal allows it")
    yield from _limits(principal)


def _other_organization(resource: ResourceSide) -> Iterator[_Requirement]:
    """Yield the requirement that the organization of the resource's account allows a cross-account request."""
    if resource.cross_account:
        # A scan reads the control policies of the principal's account only, so such a request is never "allowed".
        yield _Requirement(unknown("the organization's policies for the resource's account"), "")


def _limits(principal: PrincipalSide) -> Iterator[_Requirement]:
    if principal.boundary is not None:
        yield _Requirement(principal.boundary.allows.truth, "the permissions boundary does not allow it")
    if principal.session is not None:
        yield _Requirement(principal.session.allows.truth, "no session policy allows it")


def _granting_source(principal: PrincipalSide, resource: ResourceSide) -> str:
    found = [resource.directly, principal.identity.allows, resource.by_role, resource.by_account]
    return next(finding.by for finding in found if finding.truth is True)
