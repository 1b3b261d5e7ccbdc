"""Prints what became of the documents."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.survey.endings import Ending
    from tests.survey.trial import Trial

_LONGEST = 600


def lines_of(trial: Trial, *, calls: bool = False) -> Iterator[str]:
    """Yield the lines about one document; ``calls`` adds the calls that it made."""
    loaded = f"loaded in {trial.seconds:.2f} s" if trial.loaded else "not loaded"
    yield f"{trial.name}: {loaded}; {_shown(trial.ending)}"
    if trial.rest:
        yield f"    without the steps that cannot run: {_shown(trial.rest)}"
    if trial.lint:
        yield f"    lint: {'; '.join(dict.fromkeys(trial.lint))}"[:_LONGEST]
    for call in (trial.rest or trial.ending).calls if calls else ():
        yield f"    {call}"[:_LONGEST]
    for fault in trial.faults:
        yield f"    FAULT: {fault}"[:_LONGEST]


def totals(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield how many documents came how far."""
    yield f"{len(trials)} documents, {sum(trial.loaded for trial in trials)} loaded"
    yield from _counted([trial.ending for trial in trials])
    if rest := [trial.rest for trial in trials if trial.rest]:
        yield "without the steps that cannot run:"
        yield from _counted(rest)
    yield f"{sum(bool(trial.faults) for trial in trials)} documents with faults"


def _counted(endings: Iterable[Ending]) -> Iterator[str]:
    for ending, count in Counter(map(str, endings)).most_common():
        yield f"{count:5} {ending}"


def _shown(ending: Ending) -> str:
    order = " -> ".join(ending.steps)
    return "; ".join(filter(None, (f"{ending}: {order}" if order else str(ending), ending.reason[:_LONGEST])))
