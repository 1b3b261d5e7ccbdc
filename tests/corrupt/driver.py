"""Flips bits, looks at what is left, follows the advice of errors, and counts."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.files.store_file import STORE_NAME
from tests.corrupt import look, sample
from tests.corrupt.look import Refused, call
from tests.corrupt.places import KINDS, choose, flip, spans_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloudops_nb.client.cloudops import CloudOps
    from tests.corrupt.places import Kind, Origin, Place

#: The longest time from the start of ``CloudOps()`` until the resources are listed or an error is raised, in seconds.
LONGEST_OPENING = 5.0
#: Kinds of file that are damaged at the same time: most of the time is spent on waiting for owner processes.
_THREADS = 3


@dataclass
class Outcome:
    """What became of the flips in one kind of file: the counts, the slowest opening in seconds, and every fault."""

    kind: Kind
    counts: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)


def run(folder: Path, seed: int, flips: int, kinds: Sequence[Kind] = KINDS) -> list[Outcome]:
    """Make the sample stores in a folder, and flip so many bits in each kind of file."""
    stores: dict[Origin, Path] = {"closed": folder / "closed", "killed": folder / "killed"}
    sample.make_closed(stores["closed"])
    sample.make_killed(stores["killed"])
    drivers = [Driver(folder / kind.replace(" ", "-"), stores, kind) for kind in kinds]
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(lambda driver: driver.run(seed, flips), drivers))


class Driver:
    """Damages copies of the sample stores in one kind of file, each copy in the same folder."""

    def __init__(self, folder: Path, stores: dict[Origin, Path], kind: Kind) -> None:
        self._copy = folder
        self._stores = stores
        self._kind = kind
        self.outcome = Outcome(kind)

    def run(self, seed: int, flips: int) -> Outcome:
        """Flip so many bits."""
        chance = random.Random(f"{seed} {self._kind}")  # noqa: S311 - repeatable
        for place in choose(spans_of(self._kind, self._stores), flips, chance):
            self.damage(place)
        return self.outcome

    def damage(self, place: Place) -> None:
        """Flip one bit, and check everything."""
        sample.copy_store(self._stores[place.origin], self._copy)
        flip(self._copy, place)
        self.outcome.counts["flips"] += 1
        try:
            refusals = self._look(place)
            self._mend(refusals)
            self.outcome.counts["healed"] += 1
        except AssertionError as error:
            self.outcome.faults.append(f"{self._kind}, {place}: {error}")
        finally:
            sample.kill_owner(self._copy)

    def _look(self, place: Place) -> list[str]:
        """Open the store and read every part of it; returns the errors of the parts that refuse."""
        started = time.monotonic()
        refusals: list[str] = []
        ops: CloudOps | None = None

        def open_store() -> None:
            nonlocal ops
            ops = sample.opened(self._copy)

        for what, action in [("opening", open_store), ("listing", lambda: ops and ops.storage.estate.resources())]:
            try:
                call(self._copy, what, action)
            except Refused as refused:
                refusals.append(str(refused))
        seconds = time.monotonic() - started
        self.outcome.slowest = max(self.outcome.slowest, seconds)
        assert seconds <= LONGEST_OPENING, f"opening took {seconds:.1f} s"
        if ops is not None:
            with ops:
                refusals += self._read(ops, missing_cells=5 if place.path.endswith("-wal") else 1)
        self.outcome.counts["refused" if refusals else "opened"] += 1
        return refusals

    def _read(self, ops: CloudOps, *, missing_cells: int) -> list[str]:
        storage, refusals = ops.storage, []
        for what, action in {
            "estate": lambda: look.check_estate(storage),
            "chat": lambda: look.check_chat(storage),
            "scan state": lambda: look.check_scan_state(storage, missing=missing_cells),
            "journal": lambda: look.check_journal(storage),
        }.items():
            try:
                call(self._copy, what, action)
            except Refused as refused:
                refusals.append(str(refused))
        return refusals

    def _mend(self, refusals: list[str]) -> None:
        """Scan, or first follow the advice of the errors and then scan; everything must be back."""
        if refusals:
            self._follow_advice(refusals)

        def scanned() -> None:
            with sample.opened(self._copy) as ops:
                sample.scan(ops.storage, "scan-2")
                look.check_estate(ops.storage, missing=0)
                look.check_scan_state(ops.storage, missing=1)  # no scan of this account learns the rate
                if refusals:
                    look.check_journal(ops.storage)

        try:
            call(self._copy, "after a scan", scanned)
        except Refused as refused:
            if refusals:
                raise AssertionError(f"{refused} (first: {refusals})") from refused
            self._mend([str(refused)])

    def _follow_advice(self, refusals: list[str]) -> None:
        """Do what the errors say: put a file back, move damaged parts away, restore the kinds that they name."""
        sample.kill_owner(self._copy)
        store, advice = self._copy / "store", " ".join(refusals)
        if self._kind == "small files":
            for name in ("key/encryption.key", "store/config.toml"):
                shutil.copy2(self._stores["closed"] / name, self._copy / name)
        aside = [store / "qdrant" / name for name in COLLECTIONS if f"Move {store}/qdrant/{name} to" in advice]
        if f"Move {STORE_NAME}" in advice:
            aside = [store / STORE_NAME, *store.glob("journal.*"), store / "qdrant"]
        for path in aside:
            path.rename(self._copy / path.name)
        kinds = set(re.findall(r"--kind (\w+)", advice)) | ({"journal"} if "Restore journal.db" in advice else set())

        def restored() -> None:
            with sample.opened_storage(self._copy) as storage:
                report = storage.backup.restore("latest", *kinds, set_aside=True)
                assert report.ok, report

        if kinds or "cloudops-nb backup restore" in advice:
            call(self._copy, f"the advice of {refusals}", restored)
