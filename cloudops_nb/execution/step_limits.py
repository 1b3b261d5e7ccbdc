"""The limits of a step as its document gives them: seconds, attempts, iterations and the items of a loop.

Each may be a reference. A plan checks what is known when it is made, and the run what it learns, by the same functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.actions import actions
from cloudops_nb.ssm.references import substitute
from cloudops_nb.ssm.values import ABSENT, convert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.ssm.document import DocumentStep

#: How often a step runs on one target if branches lead back to it; then the run ends.
MOST_STEPS = 500
#: How often a loop runs: automation-action-loop, "The maximum number of iterations is 100".
MOST_ITERATIONS = 100


def limit_of(step: DocumentStep, values: Mapping[str, Any]) -> float:
    """Return how long one attempt of a step may take, in seconds: as it says, else as its action does.

    Raises:
        PlaybookError: Its limit is no whole number above 0.
    """
    if step.timeout_seconds is None:
        return float(actions()[step.action].timeout)
    return float(_count("timeoutSeconds", step.timeout_seconds, values))


def attempts_of(step: DocumentStep, values: Mapping[str, Any]) -> int:
    """Return how often a step is tried.

    Raises:
        PlaybookError: It is no whole number above 0.
    """
    return _count("maxAttempts", step.max_attempts, values)


def iterations_of(step: DocumentStep, values: Mapping[str, Any]) -> int:
    """Return how often a loop runs at most.

    Raises:
        PlaybookError: ``MaxIterations`` is no whole number above 0.
    """
    most = step.inputs.get("MaxIterations")
    return MOST_ITERATIONS if most is None else min(MOST_ITERATIONS, _count("MaxIterations", most, values))


def items_of(step: DocumentStep, values: Mapping[str, Any]) -> list[Any] | None:
    """Return the items of a loop in their type, ``None`` for a loop with a condition.

    Raises:
        PlaybookError: There are none to be found, more than :data:`MOST_ITERATIONS`, or some of another type.
    """
    if step.inputs.get("Iterators") is None:
        return None
    found = substitute(step.inputs["Iterators"], values)
    if found is ABSENT:
        raise PlaybookError("the loop has nothing to iterate over", "the answer lacked the value of Iterators")
    items = found if isinstance(found, list) else convert(found, "StringList")
    if items is ABSENT:
        raise PlaybookError("the loop cannot run", "Iterators is no list")
    if len(items) > MOST_ITERATIONS:
        raise PlaybookError("the loop cannot run", f"Iterators has {len(items)} items, the most is {MOST_ITERATIONS}")
    kind = str(step.inputs.get("IteratorDataType") or "String")
    typed = [convert(item, kind) for item in items]
    if ABSENT in typed:
        raise PlaybookError("the loop cannot run", f"an item of Iterators is not of type {kind}")
    return typed


def _count(name: str, value: int | str, values: Mapping[str, Any]) -> int:
    found = convert(substitute(value, values), "Integer")
    if found is ABSENT or int(found) < 1:
        raise PlaybookError(f"{name} is no whole number above 0", "the value of its reference does not fit")
    return int(found)
