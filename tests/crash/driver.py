"""Starts workers, kills them, and looks at what they leave."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from cloudops_nb.errors import WrongKeyError
from cloudops_nb.storage.backup.archive import Archive
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.facade import StorageService
from tests.crash.model import Found, Model, faults, settled
from tests.crash.worker import CONVERSATIONS, settings_of
from tests.storage.conftest import WordEmbedder

if TYPE_CHECKING:
    from tests.crash.model import Operation

ROOT = Path(__file__).parents[2]
#: A worker that says nothing for this long hangs, in seconds.
_SILENCE = 120.0
#: How long after the beginning of an operation it is killed at the latest, in seconds: about as long as it takes.
_LATEST = {
    "upsert": 0.06,
    "delete": 0.01,
    "say": 0.008,
    "record": 0.008,
    "snapshot": 0.1,
    "restore": 0.5,
    "rotate": 0.4,
    "rekey": 1.0,
}
_OPERATIONS_A_ROUND = 12


@dataclass
class Outcome:
    """What came of all rounds: operations acknowledged, what a kill met, and every fault that was found."""

    kills: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Driver:
    """Runs rounds on one store in a folder of its own."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 - repeatable
        self._model = Model()
        self._version = 0
        self._kinds: dict[str, str] = {}
        self.outcome = Outcome()

    def run(self, kills: int) -> Outcome:
        """Kill so many times, and stop at the first fault."""
        for number in range(kills):
            self._round(number)
            if self.outcome.faults:
                break
        return self.outcome

    def _round(self, number: int) -> None:
        victim = self._chance.choice(("worker", "owner", "worker and owner"))
        process, lines = self._started(number)
        pending = self._killed(process, lines, victim)
        self.outcome.kills[victim] += 1
        self.outcome.met[pending["kind"] if pending else "nothing"] += 1
        try:
            found = look(self._folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the harness looks for
            self.outcome.faults.append(f"round {number}, {victim} killed in {pending}: {type(error).__name__}: {error}")
            return
        problems = faults(self._model, pending, found)
        self.outcome.faults += [f"round {number}, {victim} killed in {pending}: {problem}" for problem in problems]
        self._model = settled(self._model, found)
        if pending and pending["kind"] == "rekey":
            self._kinds.clear()  # whether the key changed is not known, and snapshots open with the old one only

    def _started(self, number: int) -> tuple[subprocess.Popen[str], SimpleQueue[Operation | None]]:
        arguments = [self._folder, self._seed * 1_000_003 + number, self._version, _OPERATIONS_A_ROUND]
        command = [sys.executable, "-m", "tests.crash.worker", *map(str, arguments), json.dumps(self._kinds)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        lines: SimpleQueue[Operation | None] = SimpleQueue()

        assert process.stdout
        output = process.stdout

        def read() -> None:
            with output:
                for line in output:
                    lines.put(json.loads(line))
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        return process, lines

    def _killed(
        self, process: subprocess.Popen[str], lines: SimpleQueue[Operation | None], victim: str
    ) -> Operation | None:
        """Kill within a random operation; returns the one that was not acknowledged, if any."""
        spared = self._chance.randrange(_OPERATIONS_A_ROUND)
        pending: Operation | None = None
        while (line := _next(lines)) is not None:
            if "done" in line:
                self._acknowledge(line["done"])
                pending = None
                continue
            pending = line["begin"]
            self._version += 1
            if spared == 0:
                time.sleep(self._chance.uniform(0, _LATEST[pending["kind"]]))
                self._kill(process, victim)
            spared -= 1
        if process.wait() not in (0, -signal.SIGKILL):
            self.outcome.faults.append(f"the worker ended with status {process.returncode} in {pending}")
        return pending

    def _kill(self, process: subprocess.Popen[str], victim: str) -> None:
        endpoint = Endpoint.read(OwnerPaths(settings_of(self._folder).data_path).endpoint)
        if "owner" in victim and endpoint is not None:
            with suppress(ProcessLookupError):
                os.kill(endpoint.pid, signal.SIGKILL)
        if "worker" in victim:
            process.kill()

    def _acknowledge(self, operation: Operation) -> None:
        self.outcome.acknowledged[operation["kind"]] += 1
        self._model.carry_out(operation)
        if operation["kind"] == "snapshot":
            self._kinds[operation["name"]] = operation["what"]
        if operation["kind"] == "rekey":
            self._kinds.clear()


def look(folder: Path) -> Found:
    """Open the store as any kernel does, and read all of it; every part must agree with every other."""
    embedder = WordEmbedder()
    with StorageService(settings_of(folder), lambda: embedder) as storage:
        resources = [hit.resource for hit in storage.estate.resources()]
        for resource in resources:
            told = {resource.metadata["version"], int(resource.tags["version"]), int(resource.name.rsplit("v", 1)[1])}
            assert len(told) == 1, f"{resource.identifier} is a mixture of versions {told}"
        assert len(resources) == storage.estate.count() == sum(storage.estate.facets("resource_type").values())
        for resource in resources[:3]:
            assert storage.estate.lookup(resource.name) == [resource]
            assert storage.estate.search(resource.name, limit=1)[0].resource == resource
        chat = {name: _texts(storage, name) for name in CONVERSATIONS}
        storage.journal.verify()
        report = storage.estate.integrity.check()
        assert (report.altered, report.scan_state) == ([], "")
        _verify_snapshots(storage)
        journal = [record.body["text"] for record in storage.journal.records(kind="note")]
    estate = {resource.identifier: resource.metadata["version"] for resource in resources}
    return Found(estate, {name: texts for name, texts in chat.items() if texts}, journal)


def _verify_snapshots(storage: StorageService) -> None:
    """Every file that is named as a snapshot is a whole one, under this key or, before a rekey, an earlier one."""
    for path in (storage.vault.data_path / "snapshots").rglob("*.snapshot"):
        with path.open("rb") as stream, suppress(WrongKeyError):
            Archive(stream, path.name).verify(storage.vault.master)


def _texts(storage: StorageService, conversation: str) -> list[str]:
    messages = storage.chat.history(conversation, limit=100_000)
    assert [message.index for message in messages] == sorted({message.index for message in messages})
    return [message.content for message in messages]


def _next(lines: SimpleQueue[Operation | None]) -> Operation | None:
    try:
        return lines.get(timeout=_SILENCE)
    except Empty:
        raise TimeoutError("the worker hangs") from None
