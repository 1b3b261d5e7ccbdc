"""``OwnerServer``: answers kernels in one thread per connection, and ends when no kernel is connected any longer."""

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

#: Interval between checks for the end, in seconds.
_TICK = 0.2
#: Shortest wait of a new owner for the kernel that started it, in seconds.
_FIRST_CLIENT_SECONDS = 10.0
_WAITING_CONNECTIONS = 128
_log = logging.getLogger(__name__)


class OwnerServer:
    """Serves one data path until no client was connected for ``idle_seconds``, or new clients cannot find it.

    An HMAC challenge in both directions proves that a client can read the endpoint file; before that, the server reads
    no byte of its requests. The challenge, ``hello`` and ``make_way`` are the same in every protocol version, so a
    kernel of another version can start its own owner once this one has no other client.
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
        """Answer clients until the server is idle for long enough, or new clients cannot connect.

        Returns:
            Whether the server ended because it was idle.
        """
        self._written = _file_identity(self._written_to)
        threading.Thread(target=self._accept_clients, name="accept", daemon=True).start()
        while not self._making_way and self._can_be_found():
            if self._is_idle():
                return True
            time.sleep(min(_TICK, self._idle_seconds))
        return False

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._closing.set()
        self._listener.close()

    def _is_idle(self) -> bool:
        with self._lock:
            return not self._connected and time.monotonic() - self._idle_since >= self._patience

    def _can_be_found(self) -> bool:
        """Whether the socket and the endpoint file still exist: the data path may have been moved or deleted.

        This uses no file descriptor, so it works when the process has none left.
        """
        return Path(self._endpoint.address).exists() and _file_identity(self._written_to) == self._written

    def _accept_clients(self) -> None:
        while not self._closing.is_set():
            try:
                connection = self._listener.accept()
                threading.Thread(target=self._serve_client, args=(connection,), daemon=True).start()
            except (OSError, RuntimeError) as error:  # out of descriptors or threads, which become free again
                if not self._closing.wait(_TICK):
                    _log.warning("a client cannot connect: %s", error)

    def _serve_client(self, connection: Connection[Any, Any]) -> None:
        with connection:
            try:
                deliver_challenge(connection, self._endpoint.secret)
                answer_challenge(connection, self._endpoint.secret)
            except (AuthenticationError, EOFError, OSError):
                _log.warning("a client was refused: it does not know the secret")
                return
            self._count_client(1)
            try:
                self._answer_requests(connection)
            except (EOFError, OSError):
                return
            finally:
                self._count_client(-1)

    def _answer_requests(self, connection: Connection[Any, Any]) -> None:
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
        except Exception as error:  # noqa: BLE001 - logged and answered: a disconnected client would repeat the request
            # Log the traceback without the message, which may repeat values of the request.
            trace = "".join(traceback.format_tb(error.__traceback__))
            _log.error("a request was refused: %s\n%s", type(error).__name__, trace)
            return pack_frame(failure_reply(StorageError("the store refused a request", type(error).__name__)))

    def _make_way(self) -> bool:
        """End soon if the asking client is the only one; a client that connects later finds the next owner."""
        with self._lock:
            self._making_way = self._making_way or self._connected == 1
            return self._making_way

    def _count_client(self, change: int) -> None:
        with self._lock:
            self._connected += change
            self._patience = self._idle_seconds
            self._idle_since = time.monotonic()


def _file_identity(path: Path) -> tuple[int, int] | None:
    """Return a value that differs between a file and its replacement; ``None`` if the file is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
