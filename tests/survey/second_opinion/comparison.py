"""Runs the cases here and in the library, and says where they differ."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.survey.rewriting import quick
from tests.survey.running import run_document
from tests.survey.sources import Given, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.survey.second_opinion.cases import Case

FOLDER = Path(__file__).parent
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Run:
    """The steps of a run in their order, whether it ended well, and why there was none."""

    steps: Sequence[str]
    succeeded: bool
    error: str = ""

    def __str__(self) -> str:
        end = "succeeds" if self.succeeded else "fails"
        return f"{' -> '.join(self.steps)}, {end}" + (f" ({self.error})" if self.error else "")

    def agrees(self, other: Run) -> bool:
        """Return whether another run has the same steps and the same end."""
        return (list(self.steps), self.succeeded) == (list(other.steps), other.succeeded)


def is_installed() -> bool:
    """Return whether node and the library are there."""
    return shutil.which("node") is not None and (FOLDER / "node_modules").is_dir()


def demanded(case: Case) -> Run:
    """Return the run that a case demands."""
    return Run(case.steps, case.succeeds)


def ours(case: Case) -> Run:
    """Run a case here, on stubs; the steps inside of a step are left out."""
    source = Source("case.json", json.dumps(case.document), Given(case.parameters, case.answers))
    ending = run_document(source, quick(source), {})
    steps = [step for step in ending.steps if "/" not in step]
    return Run(steps, ending.status == "completed", "" if steps else ending.reason)


def theirs(cases: Sequence[Case]) -> list[Run]:
    """Run the cases in the library."""
    asked = json.dumps([asdict(case) for case in cases])
    command = ["node", "simulate.js"]
    done = subprocess.run(
        command, cwd=FOLDER, input=asked, capture_output=True, text=True, check=True, timeout=_LONGEST
    )
    return [Run(**each) for each in json.loads(done.stdout)]


def faults(case: Case, own: Run, other: Run) -> Iterator[str]:
    """Yield what is wrong about a case."""
    wanted = demanded(case)
    if not own.agrees(wanted):
        yield f"{case.name}: we have {own}; demanded is {wanted}"
    if other.agrees(wanted) and case.differs:
        yield f"{case.name}: the library no longer differs"
    if not other.agrees(wanted) and not case.differs:
        yield f"{case.name}: the library has {other}; demanded is {wanted}"
