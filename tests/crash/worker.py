"""The program that is killed: it works on a store at random and says each operation before and after.

Every line on standard output is JSON: ``{"begin": operation}``, then ``{"done": operation}`` once the store has
acknowledged it. What was written to the pipe survives the death of the process that wrote it.
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cloudops_nb.model import CellKey, CellResult, CellState, Resource
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.maintenance.data_key_rotation import rotate_data_key
from cloudops_nb.storage.maintenance.master_key_change import rekey
from tests.storage.conftest import WordEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.crash.model import Operation

_ACCOUNT, _REGION = "123456789012", "eu-west-1"
CONVERSATIONS = ("one", "two", "three")
CELL = CellKey(_ACCOUNT, _REGION, "ec2_instance")
_RESOURCES = 400
_LARGEST_BATCH = 120
#: How often each kind of operation is chosen. The rare ones take long, so that kills meet them as often.
WEIGHTS = {"upsert": 6, "delete": 3, "say": 6, "record": 4, "snapshot": 4, "restore": 4, "rotate": 2, "rekey": 1}
_KEPT_SNAPSHOTS = 4


def settings_of(folder: Path) -> Settings:
    """The settings of the store that is worked on."""
    return Settings(data_path=folder / "store", key_file=folder / "key" / "encryption.key", qdrant_idle_seconds=20)


def resource(identifier: str, version: int) -> Resource:
    """A resource that says its version in every part that is stored in another way, so that a mixture shows."""
    return Resource(
        resource_type=CELL.resource_type,
        identifier=identifier,
        account_id=_ACCOUNT,
        region=_REGION,
        service="ec2",
        name=f"{identifier} v{version}",
        tags={"version": str(version)},
        metadata={"version": version},
    )


class Worker:
    """Chooses operations and carries them out; ``versions`` go on from those of earlier workers."""

    def __init__(
        self,
        settings: Settings,
        storage: StorageService,
        chance: random.Random,
        version: int,
        snapshots: dict[str, str],
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._chance = chance
        self._version = version
        self._snapshots = snapshots

    def choose(self) -> Operation:
        """Return the next operation."""
        kind = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        self._version += 1
        if kind == "restore" and not self._snapshots:
            kind = "snapshot"
        return {"kind": kind, **self._details(kind)}

    def _details(self, kind: str) -> Operation:
        chance = self._chance
        details: Operation = {}
        match kind:
            case "upsert":
                chosen = chance.sample(range(_RESOURCES), chance.randint(1, _LARGEST_BATCH))
                details = {"resources": {f"i-{number:04}": self._version for number in chosen}}
            case "delete":
                details = {"ids": [f"i-{number:04}" for number in chance.sample(range(_RESOURCES), 20)]}
            case "say":
                details = {"conversation": chance.choice(CONVERSATIONS), "text": f"message {self._version}"}
            case "record":
                details = {"text": f"record {self._version}"}
            case "snapshot":
                details = {"what": chance.choice(list(COLLECTIONS))}
            case "restore":
                name = chance.choice(list(self._snapshots)[-_KEPT_SNAPSHOTS:])
                details = {"what": self._snapshots[name], "name": name}
        return details

    def carry_out(self, operation: Operation) -> Operation:
        """Carry an operation out, and return it with what its acknowledgement adds."""
        action: Callable[[Operation], Operation] = getattr(self, f"_{operation['kind']}")
        return action(operation)

    def _upsert(self, operation: Operation) -> Operation:
        changed = [resource(identifier, version) for identifier, version in operation["resources"].items()]
        self._storage.estate.apply_delta(changed)
        return operation

    def scan(self) -> None:
        """Read the cell as a scan does that finds what is stored, so that the digest of its rows is known again."""
        found = [hit.resource for hit in self._storage.estate.resources()]
        result = CellResult(CELL, CellState.OK, datetime.now(UTC), 0.1, len(found))
        self._storage.estate.apply_full(result, found, scan_id=str(uuid.uuid4()))

    def _delete(self, operation: Operation) -> Operation:
        self._storage.estate.delete(*(resource(identifier, 0).canonical_key for identifier in operation["ids"]))
        return operation

    def _say(self, operation: Operation) -> Operation:
        self._storage.chat.append(operation["conversation"], "user", operation["text"])
        return operation

    def _record(self, operation: Operation) -> Operation:
        self._storage.journal.append("note", "crash", {"text": operation["text"]}, once=operation["text"])
        return operation

    def _snapshot(self, operation: Operation) -> Operation:
        report = self._storage.backup.snapshot(operation["what"])
        if report.problems:
            raise AssertionError(report.problems)
        name = report.rows[0].name
        self._snapshots[name] = operation["what"]
        return {**operation, "name": name}

    def _restore(self, operation: Operation) -> Operation:
        report = self._storage.backup.restore(operation["name"])
        if report.problems:
            raise AssertionError(report.problems)
        return operation

    def _rotate(self, operation: Operation) -> Operation:
        rotate_data_key(self._storage)
        return operation

    def _rekey(self, operation: Operation) -> Operation:
        rekey(self._storage, self._settings, lambda: WordEmbedder.model_id)
        self._snapshots.clear()  # they open with the old key only
        return operation


def main() -> None:
    """Work until killed, or for as many operations as were asked for."""
    folder, seed, version, operations, snapshots = sys.argv[1:]
    embedder, settings = WordEmbedder(), settings_of(Path(folder))
    with StorageService(settings, lambda: embedder) as storage:
        chance = random.Random(int(seed))  # noqa: S311 - repeatable
        worker = Worker(settings, storage, chance, int(version), json.loads(snapshots))
        worker.scan()
        for _ in range(int(operations)):
            operation = worker.choose()
            _say(begin=operation)
            _say(done=worker.carry_out(operation))


def _say(**line: Operation) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
