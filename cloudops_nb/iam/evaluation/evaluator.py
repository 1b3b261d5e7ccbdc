"""Evaluates what one principal may do with resources, in the way AWS does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloudops_nb.iam.action_resources import FurtherAuthorisation, action_resources
from cloudops_nb.iam.context import AuthorisationRequest, known_values
from cloudops_nb.iam.evaluation.action_authoriser import ActionAuthoriser
from cloudops_nb.iam.evaluation.request_classes import ResultCache
from cloudops_nb.iam.evaluation.resource_classes import ResourceClasses
from cloudops_nb.iam.evaluation.verdict import Decision, Verdict
from cloudops_nb.iam.policies.wildcards import HOLE
from cloudops_nb.iam.principals.principal_policies import Unreadable
from cloudops_nb.iam.rules import evaluation_rules
from cloudops_nb.model import IamPermissions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.iam.context import KeyState
    from cloudops_nb.iam.policies.policy import Policy
    from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies

_NOT_READ = Unreadable("the policy of the other resource is not read")
#: Maximum number of action sets whose resource classes are cached. Usually there is one action set per resource type.
_ACTION_SETS = 1_000
#: The decisions, the most severe first. If AWS authorises an action on several resources, the most severe one counts.
_SEVERITY_ORDER = (Decision.DENIED_EXPLICIT, Decision.DENIED_IMPLICIT, Decision.UNKNOWN, Decision.ALLOWED)


class Evaluator:
    """Evaluates one principal's policies; thread-safe, and fast for many similar resources.

    Args:
        policies: The principal and its policies.
        remember: If true, cache results per class of similar requests. This never changes a verdict.
    """

    def __init__(self, policies: PrincipalPolicies, *, remember: bool = True) -> None:
        self._principal = policies.principal
        self._remember = remember
        self._authoriser = ActionAuthoriser(policies, remember=remember)
        self._resource_classes: ResultCache[ResourceClasses] = ResultCache(_ACTION_SETS)

    def verdict(
        self,
        action: str,
        resource_arn: str,
        *,
        account_id: str,
        region: str,
        tags: Mapping[str, str] | None,
        resource_policy: Policy | Unreadable | None = None,
        context: Mapping[str, Sequence[str]] | None = None,
    ) -> Verdict:
        """Return the verdict on an action on a resource.

        If the action needs further authorisations, such as one on a second resource, the most severe verdict counts.

        Args:
            action: The IAM action, such as ``ec2:StopInstances``.
            resource_arn: The ARN of the resource; empty if it is not known.
            account_id: The account that owns the resource.
            region: The region of the call; ``global`` for a service without regions.
            tags: The resource's tags; ``None`` if they are not known.
            resource_policy: The resource's own policy; ``None`` if the resource has none.
            context: The values of condition keys that are known for this request, by key. An empty sequence means that
                the key is absent.
        """
        if action.lower() in evaluation_rules().always_allowed:
            return Verdict(Decision.ALLOWED, "allowed by AWS, which requires no permission for it")
        known = {key.lower(): known_values(values) for key, values in (context or {}).items()}
        row = action_resources(action)
        arn, tags = {"*": ("*", {}), "other": (HOLE, None)}.get(row.resource, (resource_arn or HOLE, tags))
        own = AuthorisationRequest(action, arn, account_id, region, tags, known, untagged=row.resource == "*")
        verdict = self._authoriser.verdict(own, resource_policy)
        if not row.also or verdict.decision is Decision.DENIED_EXPLICIT:
            return verdict
        others = self._further_verdicts(row.also, own, resource_policy)
        return min((verdict, *others), key=_severity_rank)

    def permissions(
        self,
        actions: Sequence[str],
        resource_arn: str,
        *,
        account_id: str,
        region: str,
        tags: Mapping[str, str] | None,
        resource_policy: Policy | Unreadable | None = None,
        context: Mapping[str, Sequence[str]] | None = None,
    ) -> IamPermissions:
        """Return the verdicts on several actions on one resource; all other arguments are those of :meth:`verdict`."""

        def compute_permissions() -> IamPermissions:
            return self._iam_permissions(
                {
                    action: self.verdict(
                        action,
                        resource_arn,
                        account_id=account_id,
                        region=region,
                        tags=tags,
                        resource_policy=resource_policy,
                        context=context,
                    )
                    for action in actions
                }
            )

        if context or resource_policy is not None or not self._remember:
            return compute_permissions()
        resource_classes = self._resource_classes.get_or_compute(
            tuple(actions), lambda: ResourceClasses(actions, self._authoriser)
        )
        resource_class = resource_classes.class_of(resource_arn or HOLE, account_id, region, tags)
        return resource_classes.permissions.get_or_compute(resource_class, compute_permissions)

    def _iam_permissions(self, verdicts: Mapping[str, Verdict]) -> IamPermissions:
        by_decision: dict[Decision, list[str]] = {decision: [] for decision in Decision}
        for action, verdict in verdicts.items():
            by_decision[verdict.decision].append(action)
        return IamPermissions(
            allowed=tuple(by_decision[Decision.ALLOWED]),
            denied=(*by_decision[Decision.DENIED_EXPLICIT], *by_decision[Decision.DENIED_IMPLICIT]),
            unknown=tuple(by_decision[Decision.UNKNOWN]),
            principal=self._principal.arn,
            reasons={action: verdict.by for action, verdict in verdicts.items()},
            allowed_by_account=tuple(action for action, verdict in verdicts.items() if verdict.allowed_by_account),
        )

    def _further_verdicts(
        self, also: Sequence[FurtherAuthorisation], own: AuthorisationRequest, policy: Policy | Unreadable | None
    ) -> Iterator[Verdict]:
        """Yield a verdict for each authorisation that the action needs in addition to the one on the resource."""
        for each in also:
            if not each.is_needed_for(own.arn):
                continue
            action = each.action or own.action
            context: dict[str, KeyState] = {key.lower(): known_values((value,)) for key, value in each.context.items()}
            if each.arn is None:
                request = replace(own, action=action, context={**own.context, **context})
                verdict = self._authoriser.verdict(request, policy)
            else:
                arn = each.resource_arn(
                    partition=self._principal.partition, region=_arn_region(own.region), account_id=own.account_id
                )
                tags: Mapping[str, str] | None = {} if each.created else None
                known = {**_resource_independent_keys(own.context), **context}
                request = AuthorisationRequest(
                    action, arn, own.account_id, own.region, tags, known, untagged=each.created
                )
                verdict = self._authoriser.verdict(request, _NOT_READ if each.own_policy else None)
            shown = "it" if each.arn is None else request.arn.replace(HOLE, "*")
            yield replace(verdict, by=f"it also requires {action} on {shown}: {verdict.by}")


def _resource_independent_keys(context: Mapping[str, KeyState]) -> dict[str, KeyState]:
    """Return the keys whose states do not depend on the resource, so that they hold for every resource of the call."""
    return {
        key: state for key, state in context.items() if key.startswith("aws:") and not key.startswith("aws:resource")
    }


def _severity_rank(verdict: Verdict) -> tuple[int, bool]:
    """Return the rank of a verdict, the most severe first; of unknown ones, those that the account allows are last."""
    return _SEVERITY_ORDER.index(verdict.decision), verdict.allowed_by_account


def _arn_region(region: str) -> str:
    return "" if region == "global" else region
