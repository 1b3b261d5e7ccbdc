"""How steps follow one another: the choices of ``aws:branch``, and which steps can be reached at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlaybookError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cloudops_nb.ssm.document import AutomationDocument, DocumentStep

#: ``And``, ``Or`` and ``Not`` combine these; the names are the user guide's.
OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "StringEquals": lambda left, right: _text(left) == _text(right),
    "EqualsIgnoreCase": lambda left, right: _text(left).casefold() == _text(right).casefold(),
    "StartsWith": lambda left, right: _text(left).startswith(_text(right)),
    "EndsWith": lambda left, right: _text(left).endswith(_text(right)),
    "Contains": lambda left, right: _text(right) in _text(left),
    "NumericEquals": lambda left, right: _number(left) == _number(right),
    "NumericGreater": lambda left, right: _number(left) > _number(right),
    "NumericLesser": lambda left, right: _number(left) < _number(right),
    "NumericGreaterOrEquals": lambda left, right: _number(left) >= _number(right),
    "NumericLesserOrEquals": lambda left, right: _number(left) <= _number(right),
    "BooleanEquals": lambda left, right: _text(left).lower() == _text(right).lower(),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a branch: its condition as written, and the step it leads to."""

    condition: Mapping[str, Any]
    next_step: str


def choices(inputs: Mapping[str, Any]) -> tuple[Choice, ...]:
    """Return the choices of an ``aws:branch`` step's inputs, in order."""
    return tuple(
        Choice({name: value for name, value in choice.items() if name != "NextStep"}, str(choice.get("NextStep", "")))
        for choice in inputs.get("Choices", ())
    )


def branch(inputs: Mapping[str, Any]) -> str:
    """Return the step that an ``aws:branch`` leads to: the first choice that holds, else ``Default``, else empty.

    Args:
        inputs: The step's inputs, references resolved.

    Raises:
        PlaybookError: A condition has no known operator.
    """
    for choice in choices(inputs):
        if _holds(choice.condition):
            return choice.next_step
    return str(inputs.get("Default", ""))


def targets(step: DocumentStep) -> Iterator[str]:
    """Yield every step name that ``step`` mentions as a way to go on."""
    if step.next_step:
        yield step.next_step
    if step.failure_step:
        yield step.failure_step
    if step.action == "aws:branch":
        yield from (choice.next_step for choice in choices(step.inputs))
        if step.inputs.get("Default"):
            yield str(step.inputs["Default"])


def reachable(document: AutomationDocument) -> set[str]:
    """Return the names of the steps that some run can come to."""
    order = [step.name for step in document.steps]
    by_name = {step.name: step for step in document.steps}
    found: set[str] = set()
    pending = order[:1]
    while pending:
        name = pending.pop()
        if name in found or name not in by_name:
            continue
        found.add(name)
        step = by_name[name]
        pending.extend(targets(step))
        if _falls_through(step):
            pending.extend(order[order.index(name) + 1 :][:1])
    return found


def _falls_through(step: DocumentStep) -> bool:
    if step.is_end:
        return False
    if step.action == "aws:branch":
        return not step.inputs.get("Default")
    return not step.next_step or step.on_failure == "Continue"


def _holds(condition: Mapping[str, Any]) -> bool:
    if "And" in condition:
        return all(map(_holds, condition["And"]))
    if "Or" in condition:
        return any(map(_holds, condition["Or"]))
    if "Not" in condition:
        return not _holds(condition["Not"])
    operators = [name for name in condition if name in OPERATORS]
    if "Variable" not in condition or len(operators) != 1:
        raise PlaybookError("a branch condition is not understood", f"it has {', '.join(condition) or 'nothing'}")
    return OPERATORS[operators[0]](condition["Variable"], condition[operators[0]])


def _text(value: Any) -> str:
    """Read a value as text; an output that was absent is no text at all."""
    return "" if value is None else str(value)


def _number(value: Any) -> float:
    """Read a value as a number; what is none compares unequal to everything."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
