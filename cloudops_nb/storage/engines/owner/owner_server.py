"""The listening side: one thread a connection, an orderly end when nobody is left."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.owner.endpoint import PROTOCOL
from cloudops_nb.storage.engines.owner.wire_frames import LARGEST_FRAME, failure_reply, pack_frame, unpack_frame

if TYPE_CHECKING:
    from cloudops_nb.storage.engines.owner.endpoint import Endpoint
    from cloudops_nb.storage.engines.owner.shards import Shards

#: How often an idle owner looks whether its time has come, in seconds.
_TICK = 0.2
#: How long a new owner waits at least for the kernel that started it, in seconds.
_FIRST_CLIENT_SECONDS = 10.0
_WAITING_CONNECTIONS = 128
_log = logging.getLogger(__name__)


class OwnerServer:
    """Serves one data path until no client was connected for ``idle_seconds``, or none could find it any more.

    A client proves by an HMAC challenge in both directions that it can read the endpoint's file; only then is a byte
    of its requests looked at. The challenge, ``hello`` and ``make_way`` are the same in every protocol, so a kernel
    of another version gets an owner of its own once nobody uses this one.
    """

    def __init__(self, endpoint: Endpoint, written_to: Path, shards: Shards, idle_seconds: float) -> None:
        self._endpoint = endpoint
        self._written_to = written_to
        self._written: tuple[int, int] | None = None
        self._shards = shards
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._connected = 0
        self._patience = max(idle_seconds, _FIRST_CLIENT_SECONDS)
        self._idle_since = time.monotonic()
        self._making_way = False
        self._closing = threading.Event()
        self._listener = Listener(endpoint.address, family="AF_UNIX", backlog=_WAITING_CONNECTIONS)

    def serve(self) -> bool:
        """Answer clients until idle for long enough, or until no new client could get in.

        Returns:
            Whether it ended for being idle.
        """
        self._written = _identity(self._written_to)
        threading.Thread(target=self._accept, name="accept", daemon=True).start()
        while not self._making_way and self._can_be_found():
            if self._idle():
                return True
            time.sleep(min(_TICK, self._idle_seconds))
        return False

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._closing.set()
        self._listener.close()

    def _idle(self) -> bool:
        with self._lock:
            return not self._connected and time.monotonic() - self._idle_since >= self._patience

    def _can_be_found(self) -> bool:
        """Whether the socket is there, and the endpoint's file: the data path may have been moved or deleted.

        It takes no descriptor, which there may be none left of.
        """
        return Path(self._endpoint.address).exists() and _identity(self._written_to) == self._written

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection = self._listener.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()
            except (OSError, RuntimeError) as error:  # out of descriptors, or of threads: both come back
                if not self._closing.wait(_TICK):
                    _log.warning("a client could not be let in: %s", error)

    def _converse(self, connection: Connection[Any, Any]) -> None:
        with connection:
            try:
                deliver_challenge(connection, self._endpoint.secret)
                answer_challenge(connection, self._endpoint.secret)
            except (AuthenticationError, EOFError, OSError):
                _log.warning("a client was refused: it does not know the secret")
                return
            self._count(1)
            try:
                self._answer_all(connection)
            except (EOFError, OSError):
                return
            finally:
                self._count(-1)

    def _answer_all(self, connection: Connection[Any, Any]) -> None:
        while True:
            frame = connection.recv_bytes(LARGEST_FRAME)
            connection.send_bytes(self._answer(frame))

    def _answer(self, frame: bytes) -> bytes:
        try:
            operation, arguments = unpack_frame(frame)
            if operation == "hello":
                return pack_frame(["ok", {"protocol": PROTOCOL, "pid": os.getpid()}])
            if operation == "make_way":
                return pack_frame(["ok", self._make_way()])
            return pack_frame(["ok", self._shards.run(operation, arguments)])
        except StorageError as error:
            _log.warning("%s", error)
            return pack_frame(failure_reply(error))
        except Exception as error:  # noqa: BLE001 - logged, and told: a client cut off would only ask the same again
            # Where, but not what: the message may repeat what came in the request.
            place = "".join(traceback.format_tb(error.__traceback__))
            _log.error("a request was refused: %s\n%s", type(error).__name__, place)
            return pack_frame(failure_reply(StorageError("the store refused a request", type(error).__name__)))

    def _make_way(self) -> bool:
        """End soon if the client that asks is the only one; another one that comes meanwhile finds the next owner."""
        with self._lock:
            self._making_way = self._making_way or self._connected == 1
            return self._making_way

    def _count(self, change: int) -> None:
        with self._lock:
            self._connected += change
            self._patience = self._idle_seconds
            self._idle_since = time.monotonic()


def _identity(path: Path) -> tuple[int, int] | None:
    """Tell one file from another that was put in its place."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
