"""What an SSM Automation document is, once read: frozen data.

Terms and defaults are those of the Systems Manager user guide, "Properties shared by all actions".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = "0.3"

#: Actions that read a property of a resource and compare it with the values wanted.
CHECKING_ACTIONS = frozenset({"aws:assertAwsResourceProperty", "aws:waitForAwsResourceProperty"})
#: Actions that call one AWS API, named in their inputs ``Service`` and ``Api``.
API_ACTIONS = CHECKING_ACTIONS | {"aws:executeAwsApi"}
#: Inputs of those actions that are the action's own and not parameters of the API.
ACTION_INPUTS = frozenset({"Service", "Api", "PropertySelector", "DesiredValues"})

#: The Python types of each SSM parameter type.
PARAMETER_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "String": str,
    "StringList": list,
    "Boolean": bool,
    "Integer": int,
    "MapList": list,
    "StringMap": dict,
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A document parameter; one without a default is required."""

    type: str
    description: str = ""
    default: Any = None
    allowed_values: Sequence[Any] = ()
    allowed_pattern: str = ""
    min_items: int | None = None
    max_items: int | None = None
    min_chars: int | None = None
    max_chars: int | None = None

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is None

    def problem(self, value: Any) -> str:
        """Say in a clause why ``value`` does not fit, or return an empty string.

        The value itself is never repeated. Text with ``{{`` is refused: Systems Manager would read it as a reference.
        """
        expected = PARAMETER_TYPES[self.type]
        if not isinstance(value, expected) or (isinstance(value, bool) and self.type != "Boolean"):
            return f"is not a {self.type}"
        if _has_reference(value):
            return "holds {{, which starts a reference"
        if self.allowed_values and value not in self.allowed_values:
            return f"is not one of {', '.join(map(str, self.allowed_values))}"
        return self._problem_of_size(value) or self._problem_of_pattern(value)

    def _problem_of_size(self, value: Any) -> str:
        if isinstance(value, str):
            size, low, high, unit = len(value), self.min_chars, self.max_chars, "characters"
        elif isinstance(value, list | dict):
            size, low, high, unit = len(value), self.min_items, self.max_items, "items"
        else:
            return ""
        if low is not None and size < low:
            return f"has fewer than {low} {unit}"
        if high is not None and size > high:
            return f"has more than {high} {unit}"
        return ""

    def _problem_of_pattern(self, value: Any) -> str:
        texts = value if isinstance(value, list) else [value]
        fits = all(re.fullmatch(self.allowed_pattern, text) for text in texts if isinstance(text, str))
        return "" if not self.allowed_pattern or fits else f"does not match {self.allowed_pattern}"


@dataclass(frozen=True, slots=True)
class StepOutput:
    """A named value taken from a step's answer by a JSONPath; ``type`` is an SSM parameter type."""

    name: str
    selector: str
    type: str


@dataclass(frozen=True, slots=True)
class DocumentStep:
    """One step as written.

    ``on_failure`` is ``Abort``, ``Continue``, ``Cancel`` or ``step:<name>``; ``timeout_seconds`` is seconds, a
    reference, or ``None`` where the document leaves it to the action.
    """

    name: str
    action: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    on_failure: str = "Abort"
    is_critical: bool = True
    is_end: bool = False
    next_step: str = ""
    max_attempts: int = 1
    timeout_seconds: int | str | None = None
    outputs: tuple[StepOutput, ...] = ()
    description: str = ""

    @property
    def service(self) -> str:
        """The service namespace of the API it calls, empty when it calls none."""
        return str(self.inputs.get("Service", "")) if self.action in API_ACTIONS else ""

    @property
    def api(self) -> str:
        """The operation it calls, as ``StopDBInstance``; empty when it calls none."""
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
        return self.on_failure.removeprefix("step:") if self.on_failure.startswith("step:") else ""


@dataclass(frozen=True, slots=True)
class AutomationDocument:
    """An SSM Automation document of schema 0.3; steps are in the order of the file."""

    schema_version: str
    description: str
    assume_role: str
    parameters: Mapping[str, Parameter]
    steps: tuple[DocumentStep, ...]
    outputs: tuple[str, ...] = ()

    def step(self, name: str) -> DocumentStep:
        """Return the step of that name; raises ``KeyError`` when there is none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)


def _has_reference(value: Any) -> bool:
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, Mapping):
        return any(map(_has_reference, (*value, *value.values())))
    return isinstance(value, list) and any(map(_has_reference, value))
