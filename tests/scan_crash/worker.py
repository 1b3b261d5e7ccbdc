"""The program that is killed: it scans a version of the estate, and says what the store has acknowledged.

Every line on standard output is JSON: ``{"begin": version}``, ``{"written": [cell, identities]}`` after a page was
written, ``{"finished": [cell, state]}`` after a cell was ended, and ``{"done": version}``.
"""

from __future__ import annotations

import json
import os
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudops_nb.inventory import Inventory
from cloudops_nb.storage.estate.store import EstateStore
from cloudops_nb.storage.service import StorageService
from tests.even_embedder import EvenEmbedder
from tests.scan_crash.world import TYPES, aws_of, sessions_of, settings_of
from tests.synthetic_aws import Latency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.model import CellResult, Resource

#: Answers take this many seconds, so that a scan has a middle.
_LATENCY = 0.01


def main() -> None:
    """Scan once."""
    folder, version = Path(sys.argv[1]), int(sys.argv[2])
    aws = aws_of(version, Latency({}, _LATENCY / 2))
    os.environ.update(aws.environment)
    EstateStore.upsert = _telling(EstateStore.upsert, _written)
    EstateStore.finish_cell = _telling(EstateStore.finish_cell, _finished)
    EstateStore.finish_cells = _telling(EstateStore.finish_cells, _all_finished)
    embedder, settings = EvenEmbedder(), settings_of(folder)
    with StorageService(settings, lambda: embedder) as storage:
        inventory = Inventory(storage, lambda: sessions_of(aws), settings)
        inventory.recover()
        _say(begin=version)
        inventory.scan(services=TYPES)
        _say(done=version)


def _telling(method: Callable[..., Any], told: Callable[[Any, Any], None]) -> Callable[..., Any]:
    @wraps(method)
    def tell(self: EstateStore, given: Any, **options: Any) -> Any:
        answer = method(self, given, **options)
        told(given, answer)
        return answer

    return tell


def _written(resources: Sequence[Resource], _: Any) -> None:
    if resources:
        _say(written=[str(resources[0].cell), [resource.canonical_key for resource in resources]])


def _finished(_: CellResult, kept: CellResult) -> None:
    _say(finished=[str(kept.key), kept.state.value])


def _all_finished(_: Sequence[CellResult], kept: Sequence[CellResult]) -> None:
    for each in kept:
        _finished(each, each)


def _say(**line: Any) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    main()
