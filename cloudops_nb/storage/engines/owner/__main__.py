"""``python -m cloudops_nb.storage.engines.owner DATA_PATH IDLE_SECONDS``: start the owner process of a data path.

The command exits with status 0 once the owner serves, or with status 1 and one line on standard output. The owner runs
on as a separate process without a terminal, a parent or inherited files.
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

#: Longest wait for the previous owner to finish closing, in seconds.
LOCK_SECONDS = 10.0
#: Size in bytes above which a new owner empties the log.
LOG_BYTES = 1 << 20
_READY = b"ready"


def main() -> int:
    """Start an owner in the background; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="cloudops_nb.storage.engines.owner", description="Own the shards of a data path."
    )
    parser.add_argument("data_path", type=Path, help="the store's folder")
    parser.add_argument("idle_seconds", type=float, help="exit after this long without a client")
    arguments = parser.parse_args()
    os.umask(0o077)  # so that files and the socket are private from their creation
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            said = pipe.read()
        if said == _READY:
            return 0
        sys.stdout.write(said.decode(errors="replace") or "it ended immediately")
        return 1
    os.close(ours)
    with os.fdopen(theirs, "wb", buffering=0) as report:
        _run_owner(OwnerPaths(arguments.data_path), arguments.idle_seconds, report)
    return 0


def _run_owner(paths: OwnerPaths, idle_seconds: float, report: FileIO) -> None:
    """Hold the lock, serve, and optimise the shards after an idle end; ``report`` is closed once the owner serves."""
    _redirect_streams(paths.log)
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with FileLock(paths.lock, timeout=LOCK_SECONDS, mode=0o600) as owned:
            unfinished = end_tidying(paths)
            written = _serve_until_end(paths, idle_seconds, report)
            if written is not None and (written or unfinished):
                tidy_shards(paths, owned)
    except Timeout:
        _report_failure(report, "another process holds the store and does not answer")
    except (CloudOpsError, OSError) as error:
        why = "the disk is full" if getattr(error, "errno", None) == errno.ENOSPC else str(error)
        _report_failure(report, why)
        logging.getLogger(__name__).exception("the store cannot be served")


def _report_failure(report: FileIO, why: str) -> None:
    """Send the reason for the failed start to the starting kernel, unless it has its answer or has ended."""
    if not report.closed:
        with contextlib.suppress(OSError):
            report.write(why.encode())


def _serve_until_end(paths: OwnerPaths, idle_seconds: float, report: FileIO) -> bool | None:
    """Serve until the end; returns whether anything was written, ``None`` if the end was not for being idle."""
    # Import only under the lock: these load the engine, which the losers of a race for the lock do not need.
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
        log.info("closing: %s", "idle" if idle else "new clients cannot connect")
        return shards.written if idle else None
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        server.close()
        shards.close()
        if Endpoint.read(paths.endpoint) == endpoint:  # a recreated folder may hold another owner's endpoint
            paths.endpoint.unlink(missing_ok=True)


def _redirect_streams(log: Path) -> None:
    """Replace the inherited standard streams: input is empty, output and errors go to the private log."""
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
