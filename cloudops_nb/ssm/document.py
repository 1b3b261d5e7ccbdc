"""An SSM Automation document, once read: frozen data.

Terms and defaults are those of the Systems Manager user guide, "Properties shared by all actions" and "Data elements
and parameters".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.ssm.parameters import Parameter

SCHEMA_VERSION = "0.3"

#: Actions that read a property of a resource and compare it with the desired values.
CHECKING_ACTIONS = frozenset({"aws:assertAwsResourceProperty", "aws:waitForAwsResourceProperty"})
#: Actions that call one AWS API, named in their inputs ``Service`` and ``Api``.
API_ACTIONS = CHECKING_ACTIONS | {"aws:executeAwsApi"}
#: Inputs of those actions that are the action's own and not parameters of the API.
ACTION_INPUTS = frozenset({"Service", "Api", "PropertySelector", "DesiredValues", "FailureValues"})
LOOP = "aws:loop"
NESTED = "aws:executeAutomation"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that steps read as ``{{ variable:name }}`` and ``aws:updateVariable`` sets."""

    type: str
    default: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class StepOutput:
    """A named value taken from a step's answer by a JSONPath; ``type`` is an SSM parameter type."""

    name: str
    selector: str
    type: str


@dataclass(frozen=True, slots=True)
class DocumentStep:
    """One step as written, its composite action or its loop with the steps inside.

    Attributes:
        name: Unique in the document.
        action: As ``aws:executeAwsApi``.
        inputs: As written, apart from the names of services and APIs, which are botocore's.
        on_failure: ``Abort``, ``Continue``, ``Cancel`` or ``step:<name>``.
        on_cancel: ``Abort`` or ``step:<name>``.
        is_critical: Whether its failure makes the run fail. If the document does not say it, false for
            ``onFailure: Continue`` and else true.
        is_end: Whether the run ends after it.
        next_step: The step after a success; empty for the next one in the document.
        max_attempts: How often it is tried.
        timeout_seconds: Seconds, a reference, or ``None`` if the document leaves it to the action.
        outputs: The declared outputs.
        description: Free text.
        steps: The steps of a loop's body, or the calls of a composite action.
        predefined: The outputs of a composite action, each as a reference to an output of one of its calls.
    """

    name: str
    action: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    on_failure: str = "Abort"
    is_critical: bool = True
    is_end: bool = False
    next_step: str = ""
    max_attempts: int | str = 1
    timeout_seconds: int | str | None = None
    outputs: tuple[StepOutput, ...] = ()
    description: str = ""
    on_cancel: str = "Abort"
    steps: tuple[DocumentStep, ...] = ()
    predefined: Mapping[str, str] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """The service namespace of the API it calls, empty if it calls none."""
        return str(self.inputs.get("Service", "")) if self.action in API_ACTIONS else ""

    @property
    def api(self) -> str:
        """The operation it calls, as ``StopDBInstance``; empty if it calls none."""
        return str(self.inputs.get("Api", "")) if self.action in API_ACTIONS else ""

    @property
    def api_parameters(self) -> dict[str, Any]:
        """The API's parameters, references unresolved."""
        if self.action not in API_ACTIONS:
            return {}
        return {name: value for name, value in self.inputs.items() if name not in ACTION_INPUTS}

    @property
    def failure_step(self) -> str:
        """The step that ``onFailure: step:<name>`` leads to, else empty."""
        return _step_in(self.on_failure)

    @property
    def cancel_step(self) -> str:
        """The step that ``onCancel: step:<name>`` leads to, else empty."""
        return _step_in(self.on_cancel)

    @property
    def composite(self) -> bool:
        """Whether its steps are the calls of one action, and not steps that the author wrote."""
        return bool(self.steps) and self.action != LOOP


@dataclass(frozen=True, slots=True)
class AutomationDocument:
    """An SSM Automation document of schema 0.3; steps are in the order of the file."""

    schema_version: str
    description: str
    assume_role: str
    parameters: Mapping[str, Parameter]
    steps: tuple[DocumentStep, ...]
    outputs: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)

    def step(self, name: str) -> DocumentStep:
        """Return the step of that name, also one inside a loop; raises ``KeyError`` if there is none."""
        for _, step in walk(self.steps):
            if step.name == name:
                return step
        raise KeyError(name)


def walk(steps: tuple[DocumentStep, ...], parent: str = "") -> Iterator[tuple[str, DocumentStep]]:
    """Yield every step with its path, ``parent/step``: loops and composite actions before the steps inside them."""
    for step in steps:
        path = f"{parent}/{step.name}" if parent else step.name
        yield path, step
        yield from walk(step.steps, path)


def _step_in(value: str) -> str:
    return value.removeprefix("step:").strip() if value.startswith("step:") else ""
