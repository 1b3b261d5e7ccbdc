"""From a playbook, parameters and targets to exact steps; the same input gives the same steps, at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlanError
from cloudops_nb.execution.actions import ACTIONS
from cloudops_nb.execution.cli_command import cli_command
from cloudops_nb.execution.plan import Effect, Step
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.expressions import substitute

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cloudops_nb.ssm.catalogue import Playbook
    from cloudops_nb.ssm.document import DocumentStep
    from cloudops_nb.ssm.effects import ApiEffect

#: Where the endpoints of global services are, by partition.
_GLOBAL_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where and when a plan is made: what the system variables of its playbook stand for."""

    account_id: str
    region: str
    partition: str
    created: datetime

    @property
    def client_region(self) -> str:
        """The region whose endpoints are called."""
        return _GLOBAL_REGIONS.get(self.partition, "us-east-1") if self.region == "global" else self.region

    def variables(self) -> dict[str, str]:
        """Return Automation's system variables; the execution's id is known only once it runs."""
        return {
            "global:ACCOUNT_ID": self.account_id,
            "global:REGION": self.client_region,
            "global:AWS_PARTITION": self.partition,
            "global:DATE": self.created.strftime("%Y-%m-%d"),
            "global:DATE_TIME": self.created.strftime("%Y-%m-%d_%H.%M.%S"),
        }


def bind_parameters(playbook: Playbook, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document's parameters apart from the target's: as given, else the default.

    Parameters that the playbook generates for each target may be absent.

    Raises:
        PlanError: One is unknown, missing or does not fit.
    """
    target = playbook.metadata.target.parameter
    parameters = {name: each for name, each in playbook.document.parameters.items() if name != target}
    unknown = sorted({*given} - {*parameters} - {target})
    if unknown:
        raise PlanError(f"{playbook.ref.id} has no parameter {', '.join(unknown)}")
    bound: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if name not in given and _template(playbook, name):
            continue
        value = given.get(name, parameter.default)
        if value is None:
            raise PlanError(f"parameter {name} of {playbook.ref.id} is missing", parameter.description)
        problem = parameter.problem(value)
        if problem:
            raise PlanError(f"parameter {name} of {playbook.ref.id} does not fit", f"it {problem}")
        bound[name] = value
    return bound


def target_context(playbook: Playbook, parameters: Mapping[str, Any], identifier: str, scope: Scope) -> dict[str, Any]:
    """Return the value of every reference that is known before the run, for one target.

    Raises:
        PlanError: The identifier or a generated value does not fit its parameter.
    """
    name = playbook.metadata.target.parameter
    document = playbook.document.parameters
    generated = {
        each: _template(playbook, each).format(target=identifier, timestamp=scope.created.strftime("%Y%m%d%H%M%S"))
        for each in document
        if each not in parameters and _template(playbook, each)
    }
    own: dict[str, Any] = {name: [identifier] if document[name].type == "StringList" else identifier, **generated}
    for each, value in own.items():
        problem = document[each].problem(value)
        if problem:
            raise PlanError(f"parameter {each} of {playbook.ref.id} does not fit {identifier}", f"it {problem}")
    return {**scope.variables(), **parameters, **own}


def render_steps(
    playbook: Playbook, context: Mapping[str, Any], target: str, scope: Scope, *, unreviewed: bool = False
) -> list[Step]:
    """Return the playbook's steps on one target; references to outputs of earlier steps stay.

    Args:
        playbook: The host's own copy.
        context: From :func:`target_context`.
        target: The target's ARN.
        scope: Where and when.
        unreviewed: Whether changes by APIs that nobody reviewed may be rendered; they count as destructive.

    Raises:
        PlanError: A step may not run here.
    """
    return [_render(step, context, target, scope, unreviewed=unreviewed) for step in playbook.document.steps]


def _render(step: DocumentStep, context: Mapping[str, Any], target: str, scope: Scope, *, unreviewed: bool) -> Step:
    if step.action not in ACTIONS:
        raise PlanError(f"step {step.name} cannot run", f"{step.action} is not one of {', '.join(sorted(ACTIONS))}")
    if not step.service:
        inputs = substitute(dict(step.inputs), context, partial=True)
        return Step(step.name, step.action, target, "", "", inputs, Effect.READ, expects=step.description)
    parameters = substitute(step.api_parameters, context, partial=True)
    row = effect_of(step.service, step.api)
    _refuse(step, row, parameters, unreviewed=unreviewed)
    return Step(
        name=step.name,
        action=step.action,
        target=target,
        service=step.service,
        api=step.api,
        parameters=parameters,
        effect=Effect(row.effect),
        cli=cli_command(step.service, step.api, parameters, scope.client_region),
        expects=_expectation(step, context),
    )


def _refuse(step: DocumentStep, row: ApiEffect, parameters: Mapping[str, Any], *, unreviewed: bool) -> None:
    """Stop what no plan may hold; ``unreviewed`` opens only what nobody judged yet."""
    api = f"{row.service}:{row.api}"
    if row.runs_code:
        raise PlanError(f"step {step.name} cannot run", f"{api} makes code run, which no plan may do")
    if row.returns_secrets:
        raise PlanError(f"step {step.name} cannot run", f"{api} returns secrets, which no plan may do")
    refused = row.refused_among(parameters)
    if refused:
        raise PlanError(f"step {step.name} cannot run", f"{', '.join(refused)} of {api} may run code or hold a secret")
    reads = Effect(row.effect) is Effect.READ
    if not row.reviewed and not reads and not unreviewed:
        raise PlanError(
            f"step {step.name} cannot run",
            f"nobody reviewed what {api} does",
            "Review it and override, or use another playbook.",
        )
    if step.action != "aws:executeAwsApi" and not reads:
        raise PlanError(f"step {step.name} cannot run", f"{step.action} only looks, but {api} changes something")


def _expectation(step: DocumentStep, context: Mapping[str, Any]) -> str:
    selector = step.inputs.get("PropertySelector")
    if not selector:
        return ""
    desired = substitute(step.inputs.get("DesiredValues") or [], context, partial=True)
    return f"{substitute(selector, context, partial=True)} is {' or '.join(map(str, desired))}"


def _template(playbook: Playbook, name: str) -> str:
    source = playbook.metadata.parameters.get(name)
    return source.template if source else ""
