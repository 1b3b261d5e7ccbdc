"""Whether a step would be allowed: AWS's own answer to a dry run where there is one, else the scan's verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.endpoints import is_aws_endpoint
from cloudops_nb.errors import PlanError
from cloudops_nb.execution.executor import ApiCall
from cloudops_nb.execution.plan import Effect
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.references import references

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.plan import Step
    from cloudops_nb.execution.ports import Clients
    from cloudops_nb.model import IamPermissions, Resource

ALLOWED, DENIED, UNKNOWN = "allowed", "denied", "unknown"
_LEAST_FIRST = (DENIED, UNKNOWN, ALLOWED)
_DENIALS = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation"})
#: Simulators of AWS carry these out in spite of DryRun.
_EXECUTED_BY_SIMULATORS = frozenset({("ec2", "ModifyInstanceMetadataOptions")})


class Authorisation:
    """Gives each step of a plan its IAM verdict."""

    def __init__(self, clients: Clients, executor: Executor) -> None:
        self._clients = clients
        self._executor = executor

    def judge(
        self,
        step: Step,
        permissions: Sequence[IamPermissions],
        account_id: str,
        region: str,
        *,
        answered: tuple[str, str],
    ) -> Step:
        """Return the step with ``iam`` and ``iam_reason`` filled in; nothing changes.

        Args:
            step: The step.
            permissions: The scan's verdicts on each resource that the step acts on; empty if that is not known.
            account_id: The target's account.
            region: The region called.
            answered: Service and API of the read that AWS has just answered for this target.

        Raises:
            PlanError: The endpoint carried out a dry run.
        """
        if not step.api:
            return replace(step, iam=ALLOWED, iam_reason="it calls no API")
        if (step.service, step.api) == answered:
            return replace(step, iam=ALLOWED, iam_reason="AWS answered it when this plan was made")
        verdict, reason = self.dry_run(step, account_id, region)
        if verdict in (ALLOWED, DENIED):
            return replace(step, iam=verdict, iam_reason=reason)
        scanned, scan_reason = _as_scanned(step, permissions)
        return replace(step, iam=scanned, iam_reason="; ".join(filter(None, (scan_reason, reason))))

    def dry_run(self, step: Step, account_id: str, region: str) -> tuple[str, str]:
        """Ask AWS whether a changing step would be allowed, and return the verdict and what decided it.

        ``unknown`` with an empty reason means that the API has no dry run, or that the step awaits earlier outputs.

        Raises:
            PlanError: The endpoint carried out the dry run.
        """
        if not self._can_dry_run(step, account_id, region):
            return UNKNOWN, ""
        parameters = {**step.parameters, "DryRun": True}
        result = self._executor.call(ApiCall(account_id, region, step.service, step.api, parameters, changes=True))
        if not result.problem:
            raise PlanError(
                f"the dry run of {step.service}:{step.api} was carried out",
                "the endpoint ignores DryRun",
                "Look at the resource now, and use AWS's own endpoint.",
            )
        if result.code == "DryRunOperation":
            return ALLOWED, "AWS answered the dry run: it would have succeeded"
        if result.code in _DENIALS:
            return DENIED, f"AWS refused the dry run: {result.code}"
        return UNKNOWN, f"the dry run ended with {result.code}"

    def _can_dry_run(self, step: Step, account_id: str, region: str) -> bool:
        if step.effect is Effect.READ or not effect_of(step.service, step.api).dry_run or references(step.parameters):
            return False
        if (step.service, step.api) not in _EXECUTED_BY_SIMULATORS:
            return True
        return is_aws_endpoint(self._clients.client(account_id, step.service, region).meta.endpoint_url)


def permissions_of(step: Step, targets: Sequence[Resource]) -> list[IamPermissions]:
    """Return the scan's verdicts on the targets that a step names by id or ARN.

    There are none if the step names no target, or if a text in the same parameter may be another resource: a verdict on
    one resource says nothing about another.
    """
    by_text = {text: target for target in targets for text in (target.identifier, target.arn) if text}
    named: dict[str, IamPermissions] = {}
    for value in step.parameters.values():
        texts = list(_texts(value))
        found = [by_text[text] for text in texts if text in by_text]
        if found and len(found) < len(texts):
            return []
        named |= {each.canonical_key: each.iam for each in found}
    return list(named.values())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        yield from _texts(item)


def _as_scanned(step: Step, permissions: Sequence[IamPermissions]) -> tuple[str, str]:
    """Return the verdict of the last scan: that on the resource which is allowed least."""
    action = effect_of(step.service, step.api).iam_action
    found = [_scanned(action, each) for each in permissions]
    least = min(found, key=lambda each: _LEAST_FIRST.index(each[0]), default=(UNKNOWN, ""))
    return least[0], least[1] or f"{action} was not evaluated"


def _scanned(action: str, permissions: IamPermissions) -> tuple[str, str]:
    reason = permissions.reasons.get(action, "")
    for verdict, actions in ((DENIED, permissions.denied), (ALLOWED, permissions.allowed)):
        if action in actions:
            return verdict, reason or "the policies read by the last scan"
    return UNKNOWN, reason
