"""Optimises the shards after an idle owner process has stopped serving them, so that they open and answer faster.

A shard is the folder of one collection. The engine holds the GIL while it optimises, so the process cannot serve
clients at the same time. The next owner does not wait for the end of the optimisation: it kills the optimising process.
This is safe at any time, because the engine puts only complete segments (parts of a shard) in place.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cloudops_nb.errors import StorageError, StoreUnavailableError
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.files.private_files import replace_private

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.storage.engines.owner.endpoint import OwnerPaths

#: Longest wait until a killed process has ended, in seconds.
_END_SECONDS = 10.0
#: Niceness of the optimising process: the lowest priority on this machine.
_LEAST_PRIORITY = 19
_log = logging.getLogger(__name__)


def stop_optimisation(paths: OwnerPaths) -> bool:
    """Kill the optimising process, if one is running; the caller holds the owner's lock and has no shard open.

    Returns:
        True if this or an earlier optimisation was killed before its end.

    Raises:
        StoreUnavailableError: The optimising process does not end.
    """
    lock = FileLock(paths.optimisation_lock, mode=0o600)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        # The optimising process wrote its process id before it released the owner's lock. It may have just finished.
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(paths.optimiser_pid.read_text("ascii")), signal.SIGKILL)
        try:
            lock.acquire(timeout=_END_SECONDS)
        except Timeout as error:
            why = f"the process that is optimising it did not end within {_END_SECONDS:.0f} s"
            raise StoreUnavailableError("the store cannot be opened", why, "Try again.") from error
    lock.release()
    return paths.optimiser_pid.exists()


def optimise_shards(paths: OwnerPaths, owner_lock: FileLock) -> None:
    """Optimise every shard; release ``owner_lock`` as soon as the next owner can kill this process.

    A shard that cannot be optimised is logged and skipped.
    """
    from cloudops_nb.storage.engines.edge_shard import optimise_shard
    from cloudops_nb.storage.engines.owner.shards import RESERVE_BYTES

    with FileLock(paths.optimisation_lock, mode=0o600):
        replace_private(paths.optimiser_pid, str(os.getpid()).encode("ascii"))
        # A Python handler could not run while the engine holds the GIL. The default action ends the process at once.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        owner_lock.release()
        os.nice(_LEAST_PRIORITY)
        for name, collection in COLLECTIONS.items():
            shard = paths.folder / name
            if not shard.is_dir():
                continue
            if not _has_room(shard, RESERVE_BYTES):
                _log.warning("%s is not optimised: too little disk space is free", name)
                continue
            try:
                changed = optimise_shard(shard, collection)
                _log.info("%s: %s", name, "optimised" if changed else "nothing to optimise")
            except StorageError as error:
                _log.warning("%s", error)
        paths.optimiser_pid.unlink(missing_ok=True)


def _has_room(shard: Path, reserve: int) -> bool:
    """Return whether the disk has room for a second copy of a shard, plus ``reserve`` bytes for the next owner."""
    size = sum(file.stat().st_size for file in shard.rglob("*") if file.is_file())
    return shutil.disk_usage(shard.parent).free > size + reserve
