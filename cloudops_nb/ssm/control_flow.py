"""The control-flow graph of an Automation document: which step follows which, after success, failure or a cancel.

Lint, engine and card use the same edges. The rules are those of the Systems Manager user guide, ``automation-actions``
("Properties shared by all actions") and ``automation-branch-condition``:

- a step that succeeds leads to its ``nextStep``, else to the next step in the document; ``isEnd`` ends the run;
- a choice of ``aws:branch`` that holds leads to its step, also with ``isEnd``; without one, ``Default`` decides, then
  ``isEnd``, then the order of the document;
- a step that fails ends the run with ``onFailure: Abort`` or ``Cancel``; ``step:`` leads to that step, also with
  ``isEnd``, as in AWS's own document ``AWS-ResizeInstance``; ``Continue`` leads where a success leads;
- a cancelled step leads to the step of ``onCancel``.

A graph covers one sequence of steps: the document's own, a loop's body, or the calls of a composite action. A body may
lead to a step outside of it, which leaves the loop.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from cloudops_nb.ssm.conditions import choices
from cloudops_nb.ssm.document import LOOP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.ssm.document import DocumentStep

BRANCH = "aws:branch"
#: The name of no step: the run, or the loop's iteration, ends.
END = ""


class EdgeKind(StrEnum):
    """What makes a run take an edge."""

    SUCCESS = "success"
    CHOICE = "choice"
    FAILURE = "failure"
    CANCEL = "cancel"


#: The edges of a run in which no step fails.
_FORWARD = frozenset({EdgeKind.SUCCESS, EdgeKind.CHOICE})


class Edge(NamedTuple):
    """A way from one step to another; the target is :data:`END` if the run ends."""

    kind: EdgeKind
    target: str


class ControlFlow:
    """The edges of one sequence of steps; immutable."""

    def __init__(self, steps: Sequence[DocumentStep]) -> None:
        self._steps = {step.name: step for step in steps}
        self._following = dict(pairwise([*self._steps, END]))

    @property
    def first(self) -> str:
        """The name of the first step; :data:`END` if there is none."""
        return next(iter(self._steps), END)

    def __contains__(self, name: str) -> bool:
        return name in self._steps

    def step(self, name: str) -> DocumentStep:
        """Return the step of a name; raises ``KeyError`` if this sequence has none."""
        return self._steps[name]

    def after_success(self, step: DocumentStep, choice: str = "") -> str:
        """Return the step after a success; ``choice`` is a branch's choice or default."""
        if choice:
            return choice
        return END if step.is_end else step.next_step or self._following[step.name]

    def after_failure(self, step: DocumentStep) -> str:
        """Return the step after a failure or a timeout."""
        if step.on_failure in ("Abort", "Cancel"):
            return END
        return step.failure_step or self.after_success(step)

    def after_cancel(self, step: DocumentStep) -> str:
        """Return the step that cleans up after a cancel."""
        return step.cancel_step

    def edges(self, step: DocumentStep) -> Iterator[Edge]:
        """Yield every way on from a step, those out of a loop's body included."""
        if step.action == BRANCH:
            yield from (Edge(EdgeKind.CHOICE, choice.next_step) for choice in choices(step.inputs))
        default = str(step.inputs.get("Default") or "") if step.action == BRANCH else ""
        yield Edge(EdgeKind.SUCCESS, self.after_success(step, default))
        yield Edge(EdgeKind.FAILURE, self.after_failure(step))
        if step.cancel_step:
            yield Edge(EdgeKind.CANCEL, step.cancel_step)
        if step.action == LOOP:
            body = ControlFlow(step.steps)
            inside = (edge for inner in step.steps for edge in body.edges(inner))
            yield from (edge for edge in inside if edge.target not in body and edge.target != END)

    def reachable(self) -> frozenset[str]:
        """Return the names of the steps of this sequence that some run comes to."""
        return frozenset(self._closure([self.first], frozenset(EdgeKind)))

    def repeating(self) -> frozenset[str]:
        """Return the names of the steps that can follow themselves."""
        return frozenset(
            name
            for name, step in self._steps.items()
            if name in self._closure([edge.target for edge in self.edges(step)], frozenset(EdgeKind))
        )

    def circle(self) -> tuple[str, ...]:
        """Return a circle of steps that no run without a failure can leave, its first step repeated at the end.

        Systems Manager refuses such a document: "If an infinite loop is detected, Automation returns an error and a
        circle trace" (automation-branch-condition). A circle with a way out is no infinite loop; the result is then
        empty.
        """
        before: dict[str, list[str]] = {}
        for name, step in self._steps.items():
            for edge in self._forward(step):
                before.setdefault(edge.target, []).append(name)
        pending = [name for target, names in before.items() if target not in self._steps for name in names]
        ending = set[str]()
        while pending:
            name = pending.pop()
            if name not in ending:
                ending.add(name)
                pending += before.get(name, ())
        endless = [name for name in self._closure([self.first], _FORWARD) if name not in ending]
        if not endless:
            return ()
        trace = [min(endless, key=list(self._steps).index)]
        while True:
            target = next(edge.target for edge in self._forward(self._steps[trace[-1]]))
            if target in trace:
                return (*trace[trace.index(target) :], target)
            trace.append(target)

    def _forward(self, step: DocumentStep) -> Iterator[Edge]:
        return (edge for edge in self.edges(step) if edge.kind in _FORWARD)

    def _closure(self, names: Sequence[str], kinds: frozenset[EdgeKind]) -> Iterator[str]:
        pending, found = list(names), set[str]()
        while pending:
            name = pending.pop()
            if name in found or name not in self._steps:
                continue
            found.add(name)
            yield name
            pending += [edge.target for edge in self.edges(self._steps[name]) if edge.kind in kinds]
