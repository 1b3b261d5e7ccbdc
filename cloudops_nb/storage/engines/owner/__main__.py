"""``python -m cloudops_nb.storage.engines.owner DATA_PATH IDLE_SECONDS``: become the owner of a data path.

The command returns once the owner serves (status 0), or with one line on standard output and status 1. The owner itself
goes on as a process of its own, tied to no terminal, no parent and no inherited file.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.engines.owner.shard_tidying import end_tidying, tidy_shards

if TYPE_CHECKING:
    from io import FileIO

#: How long a new owner waits for the one before it to finish closing, in seconds.
LOCK_SECONDS = 10.0
#: A log larger than this starts anew with the next owner, in bytes.
LOG_BYTES = 1 << 20
_READY = b"ready"


def main() -> int:
    """Start an owner in the background and say whether it serves."""
    parser = argparse.ArgumentParser(
        prog="cloudops_nb.storage.engines.owner", description="Own the shards of a data path."
    )
    parser.add_argument("data_path", type=Path, help="the store's folder")
    parser.add_argument("idle_seconds", type=float, help="exit after this long without a client")
    arguments = parser.parse_args()
    os.umask(0o077)
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            said = pipe.read()
        if said == _READY:
            return 0
        sys.stdout.write(said.decode(errors="replace") or "it ended at once")
        return 1
    os.close(ours)
    with os.fdopen(theirs, "wb", buffering=0) as report:
        _own(OwnerPaths(arguments.data_path), arguments.idle_seconds, report)
    return 0


def _own(paths: OwnerPaths, idle_seconds: float, report: FileIO) -> None:
    """Hold the lock, serve, and leave nothing behind but the shards; ``report`` is closed once the owner serves."""
    _redirect(paths.log)
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with FileLock(paths.lock, timeout=LOCK_SECONDS, mode=0o600) as owned:
            unfinished = end_tidying(paths)
            written = _serve(paths, idle_seconds, report)
            if written is not None and (written or unfinished):
                tidy_shards(paths, owned)
    except Timeout:
        _tell(report, "another process holds it and does not answer")
    except (CloudOpsError, OSError) as error:
        why = "the disk is full" if getattr(error, "errno", None) == errno.ENOSPC else str(error)
        _tell(report, why)
        logging.getLogger(__name__).exception("the store cannot be served")


def _tell(report: FileIO, why: str) -> None:
    """Tell who started us why there is no owner, unless it has its answer already, or is gone."""
    if not report.closed:
        with contextlib.suppress(OSError):
            report.write(why.encode())


def _serve(paths: OwnerPaths, idle_seconds: float, report: FileIO) -> bool | None:
    """Serve, and return whether anything was written; ``None`` where it did not end because nobody came any more."""
    # Not before the lock is held: these load the engine, and the losers of a race for the lock need none of it.
    from cloudops_nb.storage.engines.owner.owner_server import OwnerServer
    from cloudops_nb.storage.engines.owner.shards import Shards

    endpoint = Endpoint.fresh(paths.data_path)
    shards = Shards(paths.folder)
    server = OwnerServer(endpoint, paths.endpoint, shards, idle_seconds)
    log = logging.getLogger(__name__)
    try:
        endpoint.write(paths.endpoint)
        log.info("serving as process %d", endpoint.pid)
        report.write(_READY)
        report.close()
        idle = server.serve()
        log.info("closing: %s", "idle" if idle else "no new client could get in")
        return shards.written if idle else None
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        server.close()
        shards.close()
        if Endpoint.read(paths.endpoint) == endpoint:  # the folder may have been deleted and made anew
            paths.endpoint.unlink(missing_ok=True)


def _redirect(log: Path) -> None:
    """Let go of every inherited stream: nothing to read, and what is written goes to the private log."""
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
    if log.exists() and log.stat().st_size > LOG_BYTES:
        flags |= os.O_TRUNC
    written, nothing = os.open(log, flags, 0o600), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")


def _exit(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
