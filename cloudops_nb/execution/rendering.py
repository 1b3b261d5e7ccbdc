"""From a playbook, parameters and targets to exact steps; the same input gives the same steps, at any time."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from cloudops_nb.errors import PlanError, PlaybookError
from cloudops_nb.execution.actions.sleep import sleep_problem
from cloudops_nb.execution.cli_command import cli_command
from cloudops_nb.execution.parameter_values import parameter_values, refers
from cloudops_nb.execution.plan import Effect, Step
from cloudops_nb.execution.program import Build, build_program
from cloudops_nb.execution.step_limits import MOST_STEPS, items_of, iterations_of
from cloudops_nb.ssm.document import CHECKING_ACTIONS, LOOP
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.step_words import step_words
from cloudops_nb.ssm.values import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from datetime import datetime

    from cloudops_nb.execution.program import Block, Documents, Node
    from cloudops_nb.ssm.catalogue import Playbook
    from cloudops_nb.ssm.effects import ApiEffect

SLEEP = "aws:sleep"
#: Where the endpoints of global services are, by partition.
_GLOBAL_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where and when a plan is made: what the system variables of its playbook stand for."""

    account_id: str
    region: str
    partition: str
    created: datetime
    automation_id: str

    @property
    def client_region(self) -> str:
        """The region whose endpoints are called."""
        return _GLOBAL_REGIONS.get(self.partition, "us-east-1") if self.region == "global" else self.region

    def variables(self) -> dict[str, str]:
        """Return Automation's system variables, apart from the id of the run.

        The date and the time are those of the plan, because a person approves the exact steps.
        """
        return {
            "global:ACCOUNT_ID": self.account_id,
            "global:REGION": self.client_region,
            "global:AWS_PARTITION": self.partition,
            "global:DATE": self.created.strftime("%Y-%m-%d"),
            "global:DATE_TIME": self.created.strftime("%Y-%m-%d_%H.%M.%S"),
        }


class Renderer:
    """Makes the programs and the steps of one playbook.

    Args:
        playbook: The host's own copy.
        scope: Where and when.
        documents: Finds nested documents.
        store: Parameters of Parameter Store by reference, as ``ssm:/app/size``.
    """

    def __init__(self, playbook: Playbook, scope: Scope, documents: Documents, store: Mapping[str, Any]) -> None:
        self._playbook = playbook
        self._scope = scope
        self._documents = documents
        self._store = store

    def parameters(self, given: Mapping[str, Any], identifier: str = "") -> dict[str, Any]:
        """Return the value of every parameter, for one target or for a plan that runs once.

        Raises:
            PlanError: One is unknown, missing or does not fit.
        """
        metadata, document = self._playbook.metadata, self._playbook.document
        values = dict(given)
        if name := metadata.target_parameter:
            values[name] = [identifier] if document.parameters[name].base_type == "StringList" else identifier
        for each in document.parameters:
            if each not in values and (template := self._template(each)):
                values[each] = template.format(
                    target=identifier, timestamp=self._scope.created.strftime("%Y%m%d%H%M%S")
                )
        known = ChainMap(
            {**self._scope.variables(), "automation:EXECUTION_ID": self._scope.automation_id},
            cast("MutableMapping[str, Any]", self._store),
        )
        source = f"{self._playbook.ref.id} for {identifier}" if identifier else self._playbook.ref.id
        return parameter_values(document, values, known, source)

    def program(self, parameters: Mapping[str, Any]) -> Block:
        """Return the program with these parameters.

        Raises:
            PlanError: A nested document cannot be run.
        """
        build = Build(self._documents, self._scope.automation_id, self._scope.variables(), self._store)
        return build_program(self._playbook.document, parameters, build)

    def steps(self, program: Block, target: str, *, unreviewed: bool = False) -> list[Step]:
        """Return the steps on one target.

        Args:
            program: From :meth:`program`.
            target: The target's ARN; empty for a plan that runs once.
            unreviewed: Whether changes by an API without a review may be rendered; they count as destructive.

        Raises:
            PlanError: A step may not run here.
        """
        return list(self._steps(program, target, 1, unreviewed=unreviewed))

    def _steps(self, block: Block, target: str, times: int, *, unreviewed: bool) -> Any:
        repeating = block.flow.repeating()
        for node in block.nodes.values():
            often = times * (MOST_STEPS if node.step.name in repeating else 1)
            yield self._render(node, target, often, unreviewed=unreviewed)
            if node.body:
                inner = often * _iterations(node) if node.step.action == LOOP else often
                yield from self._steps(node.body, target, inner, unreviewed=unreviewed)

    def _render(self, node: Node, target: str, at_most: int, *, unreviewed: bool) -> Step:
        step = node.step
        _require_sound(node)
        if not step.service:
            inputs = dict(step.inputs)
            words = step_words(step) or step.description
            return Step(node.path, step.action, target, "", "", inputs, Effect.READ, expects=words, at_most=at_most)
        parameters = step.api_parameters
        row = effect_of(step.service, step.api)
        _refuse(node, row, parameters, unreviewed=unreviewed)
        return Step(
            name=node.path,
            action=step.action,
            target=target,
            service=step.service,
            api=step.api,
            parameters=parameters,
            effect=Effect(row.effect),
            cli=cli_command(step.service, step.api, parameters, self._scope.client_region),
            expects=_expectation(step.inputs),
            at_most=at_most,
            reviewed=row.reviewed,
        )

    def _template(self, name: str) -> str:
        source = self._playbook.metadata.parameters.get(name)
        return source.template if source else ""


def _require_sound(node: Node) -> None:
    """Refuse what would fail in the run for sure, now that the parameters are known."""
    step, problem = node.step, ""
    for name, value in (("timeoutSeconds", step.timeout_seconds), ("maxAttempts", step.max_attempts)):
        if value is not None and not refers(value) and (type(value) is not int or value < 1):
            problem = f"{name} is {value}, which is no whole number above 0"
    if step.action == SLEEP:
        problem = sleep_problem(step.inputs)
    if step.action == LOOP:
        try:
            _iterations(node)
        except PlaybookError as error:
            problem = error.why if error.what.startswith("the loop") else error.what
    if problem:
        raise PlanError(f"step {node.path} cannot run", problem)


def _iterations(node: Node) -> int:
    """Return how often a loop runs at most, as far as it is known.

    Raises:
        PlaybookError: It cannot run.
    """
    known = {name: value for name, value in node.step.inputs.items() if not refers(value)}
    step = replace(node.step, inputs=known)
    items = items_of(step, {})
    most = iterations_of(step, {})
    return most if items is None else min(most, len(items))


def _refuse(node: Node, row: ApiEffect, parameters: Mapping[str, Any], *, unreviewed: bool) -> None:
    """Stop what no plan may hold; ``unreviewed`` opens only APIs that are not reviewed."""
    api = f"{row.service}:{row.api}"
    what = f"step {node.path} cannot run"
    if row.runs_code:
        raise PlanError(what, f"{api} makes code run, which no plan may do")
    if row.returns_secrets:
        raise PlanError(what, f"{api} returns secrets, which no plan may do")
    if refused := row.refused_among(parameters):
        raise PlanError(what, f"{', '.join(refused)} of {api} may run code or hold a secret")
    changes = Effect(row.effect) is not Effect.READ
    if node.step.action in CHECKING_ACTIONS and changes:
        raise PlanError(what, f"{node.step.action} only looks, but {api} changes something")
    if changes and not row.reviewed and not unreviewed:
        fix = "Read AWS's page of it and plan again with --override (override=True), or use another playbook."
        raise PlanError(what, f"{api} is not reviewed and may change something", fix)


def _expectation(inputs: Mapping[str, Any]) -> str:
    selector = inputs.get("PropertySelector")
    if not selector:
        return ""
    desired = inputs.get("DesiredValues") or []
    return f"{selector} is {' or '.join(map(as_text, desired if isinstance(desired, list) else [desired]))}"
