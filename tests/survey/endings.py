"""How documents end: a run's status, or a refusal and its kind."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.execution.plan import StepStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.errors import CloudOpsError
    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.executor import ApiCall

REFUSED, CRASHED = "refused", "crashed"
#: What a refusal's text says, and its kind; of several the first.
_KINDS = {
    r"refused-action|runs code, or starts": "code action",
    r"waits-for-person|waits for a person": "waits for a person",
    r"refused-api|makes code run|returns secrets|may run code or hold a secret": "code or secret in a call",
    r"changing-check|only looks, but": "a check that changes",
    r"unresolved-reference|unknown reference": "unresolved reference",
    r"which this host does not have": "unknown nested document",
    r"several times, which no plan can show": "spreads a nested document",
    r"only during the run": "nested document known only during the run",
    r"would be refused|takes no parameters": "parameters of the call",
    r"^parameter ": "parameter",
}
#: Errors that the engine catches so that a run ends in order; they are bugs all the same.
_BUG = re.compile(r"\b(Type|Value|Key|Attribute|Recursion|Index|Assertion|Lookup|Runtime)Error: ")
_BAD = frozenset({StepStatus.FAILED, StepStatus.TIMEOUT, StepStatus.OUTCOME_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a document ended.

    ``status`` is the run's, ``refused`` or ``crashed``; ``kind`` that of a refusal; ``reason`` a text for people;
    ``steps`` are the paths of the steps in the order of the run.
    """

    status: str
    kind: str = ""
    reason: str = ""
    steps: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()

    @property
    def is_bug(self) -> bool:
        """Whether something happened that is no refusal and no failure of AWS."""
        return self.status == CRASHED or bool(_BUG.search(self.reason))

    def __str__(self) -> str:
        return f"{self.status}: {self.kind}" if self.kind else self.status


def refusal(error: CloudOpsError, kind: str = "") -> Ending:
    """Return the ending that an error is; its kind is told by its text if it is not given."""
    text = str(error)
    named = next((name for pattern, name in _KINDS.items() if re.search(pattern, text)), "another reason")
    return Ending(REFUSED, kind or named, text)


def crash(error: Exception) -> Ending:
    """Return the ending that an unexpected error is."""
    return Ending(CRASHED, type(error).__name__, str(error))


def ended(execution: Execution, calls: Sequence[ApiCall]) -> Ending:
    """Return how a run ended."""
    events = list(execution)
    problems = [f"{state.name}: {state.message}" for state in execution.steps if state.status in _BAD]
    return Ending(
        execution.status.value,
        reason="; ".join(filter(None, (events[-1].message, *problems))),
        steps=tuple(event.step for event in events if event.kind == "step_started"),
        calls=tuple(f"{each.service}:{each.api} {json.dumps(dict(each.parameters), default=str)}" for each in calls),
    )
