"""Which steps of a document run before which, across the bodies of its loops.

The nodes are the steps that the author wrote; the calls of a composite action belong to their step. A loop leads to the
first step of its body, and the last step of an iteration leads back to the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.ssm.control_flow import END, ControlFlow
from cloudops_nb.ssm.document import LOOP, AutomationDocument, DocumentStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class StepGraph:
    """The ways between the steps of one document; immutable."""

    def __init__(self, document: AutomationDocument) -> None:
        self._first = document.steps[0].name if document.steps else END
        #: Ways that the author wrote: nextStep, choices, onFailure, and the order of the document.
        self._written: dict[str, set[str]] = {}
        #: Ways into the body of a loop and back.
        self._looped: dict[str, set[str]] = {}
        #: The loops around a step.
        self._around: dict[str, tuple[str, ...]] = {}
        self._add(document.steps, END, ())
        self._before: dict[str, set[str]] = {name: set() for name in self._written}
        for name, targets in self._all().items():
            for target in targets:
                self._before.setdefault(target, set()).add(name)

    def reachable(self) -> frozenset[str]:
        """Return the names of the steps that some run comes to."""
        return frozenset({self._first, *_closure(self._all(), self._first)} - {END})

    def before(self, name: str) -> frozenset[str]:
        """Return the names of the steps that may have run when a step starts; itself only if it may run again."""
        return frozenset(_closure(self._before, name))

    def after(self, name: str) -> frozenset[str]:
        """Return the names of the steps that may run after a step."""
        return frozenset(_closure(self._all(), name) - {END})

    def loops_around(self, name: str) -> tuple[str, ...]:
        """Return the names of the loops around a step, the outermost first."""
        return self._around.get(name, ())

    def repeating(self) -> Iterator[tuple[str, ...]]:
        """Yield each group of steps that lead back to one another by ways that the author wrote, in document order."""
        left = list(self._written)
        while left:
            name = left.pop(0)
            after = _closure(self._written, name)
            if name in after:
                group = tuple(each for each in self._written if each in after and name in _closure(self._written, each))
                left = [each for each in left if each not in group]
                yield group

    def _all(self) -> dict[str, set[str]]:
        return {name: self._written[name] | self._looped.get(name, set()) for name in self._written}

    def _add(self, steps: tuple[DocumentStep, ...], loop: str, around: tuple[str, ...]) -> None:
        flow = ControlFlow(steps)
        for step in steps:
            edges = list(flow.edges(step))
            self._written[step.name] = {edge.target for edge in edges if edge.target != END}
            self._around[step.name] = around
            if loop and any(edge.target == END for edge in edges):
                self._looped.setdefault(step.name, set()).add(loop)
            if step.action == LOOP and step.steps:
                self._looped.setdefault(step.name, set()).add(step.steps[0].name)
                self._add(step.steps, step.name, (*around, step.name))


def _closure(ways: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """Return what is reached from ``start`` by one way or more."""
    found: set[str] = set()
    pending = list(ways.get(start, ()))
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += ways.get(name, ())
    return found
