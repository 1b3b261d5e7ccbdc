"""Optimises the shards after the owner goes idle, so that they open fast; the next owner kills the process if needed.

The engine holds the GIL while it optimises, so the process cannot answer clients. It puts only complete files in place,
so the process may be killed at any time.
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

#: Longest wait for the end of a killed process, in seconds.
_END_SECONDS = 10.0
#: Niceness of the process: every other process on this machine has priority.
_LEAST_PRIORITY = 19
_log = logging.getLogger(__name__)


def end_tidying(paths: OwnerPaths) -> bool:
    """Kill the optimising process if one is running; the caller holds the owner's lock and has no shard open.

    Returns:
        Whether an optimisation is unfinished.

    Raises:
        StoreUnavailableError: The process does not end.
    """
    lock = FileLock(paths.tidying, mode=0o600)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        # The holder wrote its process id before it released the owner's lock. It is running, or has just finished.
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(paths.tidier.read_text("ascii")), signal.SIGKILL)
        try:
            lock.acquire(timeout=_END_SECONDS)
        except Timeout as error:
            raise StoreUnavailableError("the store cannot be opened", "another process is optimising it") from error
    lock.release()
    return paths.tidier.exists()


def tidy_shards(paths: OwnerPaths, owned: FileLock) -> None:
    """Optimise every collection; release ``owned``, the owner's lock, once the next owner can kill this process."""
    from cloudops_nb.storage.engines.edge_shard import tidy_shard
    from cloudops_nb.storage.engines.owner.shards import RESERVE_BYTES

    with FileLock(paths.tidying, mode=0o600):
        replace_private(paths.tidier, str(os.getpid()).encode("ascii"))
        # A Python handler cannot run while the engine holds the GIL; the default action ends the process anyway.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        owned.release()
        os.nice(_LEAST_PRIORITY)
        present = (one for one in COLLECTIONS.items() if (paths.folder / one[0]).is_dir())
        for name, collection in present:
            if not _has_room(paths.folder / name, RESERVE_BYTES):
                _log.warning("%s is not optimised: too little disk space is free", name)
                continue
            try:
                done = tidy_shard(paths.folder / name, collection)
                _log.info("%s: %s", name, "optimised" if done else "nothing to optimise")
            except StorageError as error:
                _log.warning("%s", error)
        paths.tidier.unlink(missing_ok=True)


def _has_room(shard: Path, reserve: int) -> bool:
    """Whether the disk has room for a second copy of a shard, and for concurrent writes."""
    size = sum(file.stat().st_size for file in shard.rglob("*") if file.is_file())
    return shutil.disk_usage(shard.parent).free > size + reserve
