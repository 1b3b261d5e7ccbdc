"""``python -m cloudops_nb.storage.engines.owner DATA_PATH IDLE_SECONDS``: start the owner process of a data path.

The command exits with status 0 once the owner, or another one that was started earlier, is ready, or with status 1
after it has printed the reason in one line. The owner, which serves the data path's collections to all notebook
kernels, continues as a background process without a terminal.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from filelock import FileLock, Timeout

from cloudops_nb.errors import CloudOpsError, StoreUnavailableError
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths, remove_socket_folder
from cloudops_nb.storage.engines.owner.owner_connection import ConnectionLostError, connect_to_owner
from cloudops_nb.storage.engines.owner.shard_optimisation import optimise_shards, stop_optimisation

if TYPE_CHECKING:
    from io import FileIO

#: Longest wait until the previous owner has ended, in seconds. On a slow disk, a killed process may take long to end.
LOCK_TIMEOUT_SECONDS = 30.0
#: While the lock is held, the seconds between two checks whether its holder serves clients.
_CHECK_SECONDS = 0.2
#: Size in bytes above which a new owner empties the log.
MAX_LOG_BYTES = 1 << 20
_READY = b"ready"


def main() -> int:
    """Start an owner in the background; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="cloudops_nb.storage.engines.owner",
        description="Start the background process that serves the embedded vector store in a data path.",
    )
    parser.add_argument("data_path", type=Path, help="the store's folder")
    parser.add_argument("idle_seconds", type=float, help="exit after this long without a client")
    arguments = parser.parse_args()
    os.umask(0o077)  # so that files and the socket are private from their creation
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            reply = pipe.read()
        if reply == _READY:
            return 0
        sys.stdout.write(reply.decode(errors="replace") or "the owner process ended before it was ready")
        return 1
    os.close(read_end)
    with os.fdopen(write_end, "wb", buffering=0) as report:
        _run_owner(OwnerPaths(arguments.data_path), arguments.idle_seconds, report)
    return 0


def _run_owner(paths: OwnerPaths, idle_seconds: float, report: FileIO) -> None:
    """Serve until the server stops; if it was idle and some shards may need it, optimise the shards.

    The shards may need it if this owner wrote anything, or if an earlier optimisation was killed. ``report`` is the
    pipe to the launching command; it is closed once the owner is ready.
    """
    _redirect_streams(paths.log)
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        owner_lock = FileLock(paths.lock, mode=0o600)
        if not _acquire_unless_served(owner_lock, paths):
            report.write(_READY)
            return
        try:
            unfinished = stop_optimisation(paths)
            wrote_anything = _serve_until_end(paths, idle_seconds, report)
            if wrote_anything is not None and (wrote_anything or unfinished):
                optimise_shards(paths, owner_lock)
        finally:
            owner_lock.release()  # does nothing if the optimisation has released it
    except Timeout:
        _report_failure(report, f"another process has held {paths.lock} for {LOCK_TIMEOUT_SECONDS:.0f} s")
    except (CloudOpsError, OSError) as error:
        why = "the disk is full" if getattr(error, "errno", None) == errno.ENOSPC else str(error)
        _report_failure(report, why)
        logging.getLogger(__name__).exception("the store cannot be served")


def _acquire_unless_served(owner_lock: FileLock, paths: OwnerPaths) -> bool:
    """Acquire the owner's lock; return false, without the lock, if another owner serves the data path.

    A client that is killed while it starts an owner leaves that owner starting: it has the lock, and no client can find
    it yet. The next client then starts a second owner, which must not wait for the first one to end.

    Raises:
        Timeout: Another process held the lock for :data:`LOCK_TIMEOUT_SECONDS`, and serves no client.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            owner_lock.acquire(timeout=_CHECK_SECONDS)
        except Timeout:
            if _is_served(paths):
                return False
            if time.monotonic() >= deadline:
                raise
        else:
            return True


def _is_served(paths: OwnerPaths) -> bool:
    try:
        connect_to_owner(paths).close()
    except ConnectionLostError:
        return False
    except StoreUnavailableError:
        pass  # an owner of another version, or one that hangs: the client gets this error when it connects
    return True


def _report_failure(report: FileIO, why: str) -> None:
    """Tell the launching command why the start failed; do nothing if the owner was already reported as ready."""
    if not report.closed:
        # The launching command may have ended, which breaks the pipe.
        with contextlib.suppress(OSError):
            report.write(why.encode())


def _serve_until_end(paths: OwnerPaths, idle_seconds: float, report: FileIO) -> bool | None:
    """Serve until the server stops.

    Returns:
        For a server that stopped because it was idle: true if anything was written. For any other stop: ``None``.
    """
    # Import only under the lock: these modules load the engine, which a process that never gets the lock does not need.
    from cloudops_nb.storage.engines.owner.owner_server import OwnerServer
    from cloudops_nb.storage.engines.owner.shards import Shards

    endpoint = Endpoint.fresh(paths.data_path)
    shards = Shards(paths.folder)
    server = OwnerServer(endpoint, paths, shards, idle_seconds)
    log = logging.getLogger(__name__)
    try:
        endpoint.write(paths.endpoint)
        log.info("serving as process %d", endpoint.pid)
        report.write(_READY)
        report.close()
        idle = server.serve()
        log.info("closing: %s", "idle" if idle else server.stop_reason)
        return shards.wrote_anything if idle else None
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        server.close()
        remove_socket_folder(endpoint.address)
        if server.replaced:
            _end_at_once()
        shards.close()
        if Endpoint.read(paths.endpoint) == endpoint:  # if the data path was recreated, another owner wrote the file
            paths.endpoint.unlink(missing_ok=True)


def _end_at_once() -> NoReturn:
    """End without closing the shards or removing a file: at their paths there may now be other files."""
    logging.shutdown()
    os._exit(0)


def _redirect_streams(log: Path) -> None:
    """Replace the inherited standard streams: the input is empty; output and errors go to the private log file."""
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        flags |= os.O_TRUNC
    log_fd, empty_fd = os.open(log, flags, 0o600), os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty_fd, 0)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")


def _exit(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
