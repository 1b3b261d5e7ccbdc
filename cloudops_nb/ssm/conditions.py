"""Conditions of ``aws:branch`` and ``aws:loop``: a variable and an operator, or a combination of conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.references import substitute
from cloudops_nb.ssm.values import OPERATORS, as_text, compare

COMBINATIONS = ("And", "Or", "Not")


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


def holds(condition: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Return whether a condition is true.

    Args:
        condition: As written; :func:`condition_problems` found no fault in it.
        context: The values of its references.

    Raises:
        PlaybookError: A reference is unknown, or an operator cannot compare its values.
    """
    if "And" in condition:
        return all(holds(part, context) for part in condition["And"])
    if "Or" in condition:
        return any(holds(part, context) for part in condition["Or"])
    if "Not" in condition:
        return not holds(condition["Not"], context)
    operator = next(name for name in condition if name in OPERATORS)
    return compare(operator, substitute(condition["Variable"], context), substitute(condition[operator], context))


def condition_problems(condition: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the path and the reason of everything that makes a condition unusable."""
    if not isinstance(condition, Mapping):
        yield (), "a condition is a map with Variable and one operator"
        return
    combined = [name for name in COMBINATIONS if name in condition]
    if combined:
        yield from _combination_problems(condition, combined)
        return
    for name in condition:
        if name != "Variable" and name not in OPERATORS:
            yield (name,), f"{name} is no operator: write one of {', '.join(OPERATORS)}"
    if "Variable" not in condition:
        yield (), "a condition needs Variable, for example Variable: '{{ step.Output }}'"
    operators = [name for name in condition if name in OPERATORS]
    if not operators and condition.keys() <= {"Variable"}:
        yield (), "a condition needs an operator, for example StringEquals: running"
    for name in operators[1:]:
        yield (name,), "a condition has one operator: combine two conditions by And or Or"


def _combination_problems(
    condition: Mapping[str, Any], combined: list[str]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name in [*combined[1:], *(name for name in condition if name not in COMBINATIONS)]:
        yield (name,), f"{name} cannot be beside {combined[0]}: put it inside"
    name, inner = combined[0], condition[combined[0]]
    if name == "Not":
        yield from (((name, *path), why) for path, why in condition_problems(inner))
        return
    if not isinstance(inner, list) or not inner:
        yield (name,), f"{name} is a list of conditions"
        return
    for index, part in enumerate(inner):
        yield from (((name, index, *path), why) for path, why in condition_problems(part))


def evaluated_choice(inputs: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """Return the step of the first choice that holds, else ``Default``, else empty.

    Raises:
        PlaybookError: A condition cannot be evaluated.
    """
    for choice in choices(inputs):
        if holds(choice.condition, context):
            return choice.next_step
    return str(inputs.get("Default") or "")


def named_in(condition: Any) -> Iterator[Any]:
    """Yield the operands of a condition, for a search for references."""
    if isinstance(condition, Mapping):
        for name, value in condition.items():
            if name in COMBINATIONS:
                for part in value if isinstance(value, list) else [value]:
                    yield from named_in(part)
            else:
                yield value


def condition_text(condition: Mapping[str, Any]) -> str:
    """Return a condition as a clause, such as ``{{ look.State }} StringEquals stopped``."""
    for name, word in (("And", " and "), ("Or", " or ")):
        if name in condition:
            return "(" + word.join(map(condition_text, condition[name])) + ")"
    if "Not" in condition:
        return f"not {condition_text(condition['Not'])}"
    operator = next((name for name in condition if name in OPERATORS), "")
    return f"{as_text(condition.get('Variable'))} {operator} {as_text(condition.get(operator))}"


def require_condition(condition: Any) -> None:
    """Raise :class:`PlaybookError` with the first fault of a condition."""
    for _, why in condition_problems(condition):
        raise PlaybookError("a condition is not usable", why)
