"""Starts scans, kills or interrupts them, and looks at what they leave."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from cloudops_nb.client.scanning import ScanRunner
from cloudops_nb.model import CellState
from cloudops_nb.storage.facade import StorageService
from tests.embedders import EvenEmbedder
from tests.scan_crash import worker
from tests.scan_crash.world import TYPES, Rows, aws_of, by_cell, sessions_of, settings_of, truth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection
    from pathlib import Path

    from cloudops_nb.model import CellKey

#: A worker that says nothing for this long hangs, in seconds.
_SILENCE = 120.0
#: Lines that a worker says between its beginning and its end, about: one of them is followed by the signal.
_LINES = 180
#: How long after that line the signal comes at the latest, in seconds.
_LATEST = 0.02
#: After so many disturbed scans one is left in peace.
_PEACE = 2


@dataclass
class Acknowledged:
    """What the store acknowledged to a scan: identities written, and cells ended with their state."""

    written: set[str] = field(default_factory=set)
    finished: dict[str, str] = field(default_factory=dict)

    def take(self, line: Mapping[str, Any]) -> None:
        """Take a line of the worker into account."""
        if "written" in line:
            self.written |= set(line["written"][1])
        if "finished" in line:
            self.finished[line["finished"][0]] = line["finished"][1]


@dataclass
class Left:
    """What is in the store: rows by cell, and each cell's state."""

    rows: Rows = field(default_factory=dict)
    states: dict[CellKey, CellState] = field(default_factory=dict)


@dataclass
class Outcome:
    """What came of all rounds: signals sent, what they met, cells by their state after it, and every fault."""

    signals: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    cells: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Driver:
    """Runs rounds on one store in a folder of its own."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = random.Random(seed)  # noqa: S311 - repeatable
        self._version = seed * 1000
        self._before = Left()
        self._target: Rows = {}
        self._embedder = EvenEmbedder()
        self._processes = get_context("forkserver")
        self._processes.set_forkserver_preload(["tests.scan_crash.nursery"])
        self.outcome = Outcome()

    def run(self, kills: int) -> Outcome:
        """Disturb so many scans, and stop at the first fault."""
        for number in range(kills):
            self._disturb(number)
            if not self.outcome.faults and number % _PEACE == _PEACE - 1:
                self._finish(number)
            if self.outcome.faults:
                break
        return self.outcome

    def _disturb(self, number: int) -> None:
        self._version += 1
        how = (signal.SIGKILL, signal.SIGINT)[number % 2]
        after = self._chance.randrange(_LINES)
        said, status = self._scanned(how, after)
        self.outcome.signals[how.name] += 1
        self.outcome.met["an end" if status == 0 else "the middle"] += 1
        left = self._look()
        self._target = truth(self._version)
        problems = [*faults(self._before, left, self._target, said), *_ending(how, status, left)]
        self.outcome.cells.update(state.value for state in left.states.values())
        self.outcome.faults += [f"round {number}, {how.name} after {after} lines: {each}" for each in problems]
        self._before = left

    def _finish(self, number: int) -> None:
        """Let a scan of the same version run to its end, and compare the inventory with the estate."""
        aws, settings = aws_of(self._version), settings_of(self._folder)
        with StorageService(settings, lambda: self._embedder) as storage:
            report = ScanRunner(storage, lambda: sessions_of(aws), settings).scan(services=TYPES)
            storage.journal.verify()
            integrity = storage.estate.integrity.check()
        if integrity.altered or integrity.unfinished or integrity.scan_state:
            self.outcome.faults.append(f"round {number}: after an undisturbed scan, the check found {integrity}")
        self._before = self._look()
        if report.failures:
            self.outcome.faults.append(f"round {number}: the next scan did not complete: {report.failures}")
        if self._before.rows != self._target:
            self.outcome.faults.append(f"round {number}: the next scan left another inventory than an undisturbed one")

    def _scanned(self, how: signal.Signals, after: int) -> tuple[Acknowledged, int]:
        """Start a scan, send it the signal after so many lines, and return what it said and how it ended."""
        ear, mouth = self._processes.Pipe(duplex=False)
        process = self._processes.Process(target=worker.main, args=(self._folder, self._version, mouth))
        process.start()
        pid = process.pid
        assert pid
        mouth.close()
        said, count = Acknowledged(), 0
        with ear:
            while (line := _next(ear)) is not None:
                said.take(line)
                if count == after:
                    time.sleep(self._chance.uniform(0, _LATEST))
                    os.kill(pid, how)
                count += 1
        process.join()
        assert process.exitcode is not None
        return said, process.exitcode

    def _look(self) -> Left:
        """Open the store as any kernel does, and read all of it."""
        settings = settings_of(self._folder)
        with StorageService(settings, lambda: self._embedder) as storage:
            ScanRunner(storage, lambda: None, settings).recover()  # type: ignore[arg-type,return-value]  # asks AWS nothing
            storage.journal.verify()
            integrity = storage.estate.integrity.check()
            assert (integrity.altered, integrity.scan_state) == ([], "")
            rows = by_cell(hit.resource for hit in storage.estate.resources())
            return Left(rows, {result.key: result.state for result in storage.scan_state.cells()})


def faults(before: Left, left: Left, target: Rows, said: Acknowledged) -> list[str]:
    """Compare what a disturbed scan left with what was there, what AWS has, and what the store acknowledged.

    Each cell is as it was; or as AWS has it, and complete; or has what was there and was read, and says ``partial``.
    """
    problems = []
    for key in {*before.rows, *left.rows, *target}:
        was, now, is_there = (rows.get(key, {}) for rows in (before.rows, left.rows, target))
        state, old_state = left.states.get(key), before.states.get(key)
        lost = (was.keys() & is_there.keys()) - now.keys()
        problems += [f"{key}: {len(lost)} that live were removed"] if lost else []
        problems += [f"{key}: {name} was made up" for name in now.keys() - was.keys() - is_there.keys()]
        unkept = said.written & is_there.keys() - now.keys()
        problems += [f"{key}: {len(unkept)} that were written are gone"] if unkept else []
        untouched = now.keys() == was.keys() and state == old_state
        whole = now == is_there and state is CellState.OK
        if not (untouched or whole or state is CellState.PARTIAL):
            problems.append(f"{key}: it says {state}, and has {len(now)} rows of {len(is_there)}")
        if said.finished.get(str(key)) == CellState.OK and not whole:
            problems.append(f"{key}: its end was acknowledged, and is not there")
    return problems


def _ending(how: signal.Signals, status: int, left: Left) -> list[str]:
    """Return what is wrong with how a scan ended, apart from its rows."""
    problems = [f"{key} is left {state}" for key, state in left.states.items() if state is CellState.RUNNING]
    # Python says an interrupt in one of three ways.
    allowed = (-signal.SIGKILL,) if how is signal.SIGKILL else (1, 130, -signal.SIGINT)
    return problems if status in (0, *allowed) else [*problems, f"the worker ended with status {status}"]


def _next(ear: Connection) -> Mapping[str, Any] | None:
    """Return what the worker says next, ``None`` when it is dead."""
    if not ear.poll(_SILENCE):
        raise TimeoutError("the worker hangs")
    try:
        line: Mapping[str, Any] = ear.recv()
    except (EOFError, OSError):  # it may die in the middle of a word
        return None
    return line
