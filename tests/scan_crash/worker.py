"""The process that is killed: it scans a version of the estate, and says what the store has acknowledged.

What it says are mappings: ``{"begin": version}``, ``{"written": [cell, identities]}`` after a page was written,
``{"finished": [cell, state]}`` after a cell was ended, and ``{"done": version}``.
"""

from __future__ import annotations

import os
import threading
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from cloudops_nb.client.scanning import ScanRunner
from cloudops_nb.storage.estate.store import EstateStore
from cloudops_nb.storage.facade import StorageService
from tests.embedders import EvenEmbedder
from tests.scan_crash.world import TYPES, aws_of, sessions_of, settings_of
from tests.synthetic_aws import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    Say = Callable[..., None]

    from cloudops_nb.model import CellResult, Resource

#: Answers take this many seconds, so that a scan has a middle.
_LATENCY = 0.01


def main(folder: Path, version: int, listener: Connection) -> None:
    """Scan once."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # whoever is interrupted says so at length
    aws = aws_of(version, Latency({}, _LATENCY / 2))
    os.environ.update(aws.environment)
    say = partial(_say, listener, threading.Lock())
    _tell_of("upsert", partial(_written, say))
    _tell_of("finish_cell", partial(_finished, say))
    _tell_of("finish_cells", partial(_all_finished, say))
    embedder, settings = EvenEmbedder(), settings_of(folder)
    with StorageService(settings, lambda: embedder) as storage:
        inventory = ScanRunner(storage, lambda: sessions_of(aws), settings)
        inventory.recover()
        say(begin=version)
        inventory.scan(services=TYPES)
        say(done=version)


def _tell_of(name: str, told: Callable[[Any, Any], None]) -> None:
    """Have a method of the estate's store say what it was given and what it returned."""
    method = getattr(EstateStore, name)

    @wraps(method)
    def tell(self: EstateStore, given: Any, **options: Any) -> Any:
        answer = method(self, given, **options)
        told(given, answer)
        return answer

    setattr(EstateStore, name, tell)


def _written(say: Say, resources: Sequence[Resource], _: Any) -> None:
    if resources:
        say(written=[str(resources[0].cell), [resource.canonical_key for resource in resources]])


def _finished(say: Say, _: CellResult, kept: CellResult) -> None:
    say(finished=[str(kept.key), kept.state.value])


def _all_finished(say: Say, _: Sequence[CellResult], kept: Sequence[CellResult]) -> None:
    for each in kept:
        _finished(say, each, each)


def _say(listener: Connection, lock: threading.Lock, **line: Any) -> None:
    with lock:
        listener.send(line)
