"""What an owner does once it is none any more: it makes the shards fast to open, until the next owner ends it.

The engine holds the interpreter's lock for as long as that takes, so nobody could be answered meanwhile; and it puts
only whole files in the place of others, so the process may be killed at any moment.
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

#: How long a killed process may take to be gone, in seconds.
_END_SECONDS = 10.0
#: Whoever works on this machine comes first.
_LEAST_PRIORITY = 19
_log = logging.getLogger(__name__)


def end_tidying(paths: OwnerPaths) -> bool:
    """End the process that tidies, if one does; the caller holds the owner's lock and has no shard open.

    Returns:
        Whether there is something left to tidy.

    Raises:
        StoreUnavailableError: It does not end.
    """
    lock = FileLock(paths.tidying, mode=0o600)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        # Who holds the lock wrote the file before it gave up the owner's, and lives; or it is just done.
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(paths.tidier.read_text("ascii")), signal.SIGKILL)
        try:
            lock.acquire(timeout=_END_SECONDS)
        except Timeout as error:
            raise StoreUnavailableError("the store cannot be opened", "another process is tidying it") from error
    lock.release()
    return paths.tidier.exists()


def tidy_shards(paths: OwnerPaths, owned: FileLock) -> None:
    """Tidy every collection, and give up ``owned``, the owner's lock, once the next owner can end this process."""
    from cloudops_nb.storage.engines.edge_shard import tidy_shard
    from cloudops_nb.storage.engines.owner.shards import RESERVE_BYTES

    with FileLock(paths.tidying, mode=0o600):
        replace_private(paths.tidier, str(os.getpid()).encode("ascii"))
        # The default ends a process also while the engine holds the interpreter's lock.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        owned.release()
        os.nice(_LEAST_PRIORITY)
        present = (one for one in COLLECTIONS.items() if (paths.folder / one[0]).is_dir())
        for name, collection in present:
            if not _has_room(paths.folder / name, RESERVE_BYTES):
                _log.warning("%s is not tidied: too little disk is free", name)
                continue
            try:
                _log.info("%s: %s", name, "tidied" if tidy_shard(paths.folder / name, collection) else "tidy")
            except StorageError as error:
                _log.warning("%s", error)
        paths.tidier.unlink(missing_ok=True)


def _has_room(shard: Path, reserve: int) -> bool:
    """Whether the disk holds a shard twice, and what others write meanwhile."""
    size = sum(file.stat().st_size for file in shard.rglob("*") if file.is_file())
    return shutil.disk_usage(shard.parent).free > size + reserve
