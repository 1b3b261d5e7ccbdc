"""``OwnerServer``: serves clients (notebook kernels), each in its own thread; stops after a time without a client."""

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
from cloudops_nb.storage.files.private_files import file_identity

if TYPE_CHECKING:
    from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
    from cloudops_nb.storage.engines.owner.shards import Shards

#: Seconds between two checks whether the server should stop; also the pause after a failure to accept a client.
_TICK = 0.2
#: Minimum time that a new owner waits for its first client, in seconds.
_FIRST_CLIENT_SECONDS = 10.0
_BACKLOG = 128
_log = logging.getLogger(__name__)


class OwnerServer:
    """Serves the shards (the folders of the collections) of one data path.

    The server stops when no client has been connected for ``idle_seconds``, when its socket is gone, when its endpoint
    file (the file with the socket's address and a secret), its lock file or the folder of an open shard is gone or
    replaced, or when it agrees to make way. Files are checked before and after each request. A client whose request
    came too late gets no reply, and repeats the request at the next owner, which opens the present files.

    A mutual HMAC challenge proves to each side that the other knows the secret in the endpoint file. The server reads
    no request before the challenge succeeds. The challenge and the requests ``hello`` and ``make_way`` must never
    change between protocol versions. A client of another version uses them to ask this owner to make way (to end); the
    owner agrees if it has no other client.
    """

    def __init__(self, endpoint: Endpoint, paths: OwnerPaths, shards: Shards, idle_seconds: float) -> None:
        self._endpoint = endpoint
        self._paths = paths
        # Set by serve(), because the endpoint file is written after the listener exists.
        self._identities: tuple[object, ...] = ()
        self._shards = shards
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._connected = 0
        self._idle_limit = max(idle_seconds, _FIRST_CLIENT_SECONDS)
        self._idle_since = time.monotonic()
        self._making_way = False
        self._replaced = threading.Event()
        self._closing = threading.Event()
        self._listener = Listener(endpoint.address, family="AF_UNIX", backlog=_BACKLOG)

    @property
    def stop_reason(self) -> str:
        """The reason, for the log, if the server stopped although it was not idle."""
        if self._making_way:
            return "making way for another version"
        return "files were replaced" if self._replaced.is_set() else "the socket is gone"

    @property
    def replaced(self) -> bool:
        """True if the server stopped because files of the store were removed, moved or replaced."""
        return self._replaced.is_set()

    def serve(self) -> bool:
        """Serve clients until the server should stop; the caller has written the endpoint file.

        Returns:
            True if the server stopped because it was idle.
        """
        self._identities = self._identities_now()
        threading.Thread(target=self._accept_clients, name="accept", daemon=True).start()
        # Read _making_way without the lock: it never becomes false again, and to see it one tick late does no harm.
        while not self._making_way and self._can_be_found():
            if self._is_idle():
                return True
            self._replaced.wait(min(_TICK, self._idle_seconds))
        return False

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._closing.set()
        self._listener.close()

    def _is_idle(self) -> bool:
        with self._lock:
            return not self._connected and time.monotonic() - self._idle_since >= self._idle_limit

    def _can_be_found(self) -> bool:
        """Return whether the socket exists and the watched files are the ones that were there at the start."""
        return not self._notices_replacement() and Path(self._endpoint.address).exists()

    def _notices_replacement(self) -> bool:
        """Return whether the endpoint file, the lock file or the folder of an open shard is gone or replaced.

        The endpoint file is gone or replaced if the data path was moved, deleted or recreated. Without the lock file,
        another owner could start. The check opens no file, so it works even if the process has used up its file
        descriptors.
        """
        if not self._replaced.is_set() and (self._identities_now() != self._identities or self._shards.replaced):
            self._replaced.set()
        return self._replaced.is_set()

    def _identities_now(self) -> tuple[object, ...]:
        # This process has the lock file open, so no other file can get its inode. The endpoint file is closed, so its
        # replacement may have the same inode, but it has another time.
        return _inode_and_time(self._paths.endpoint), file_identity(self._paths.lock)

    def _accept_clients(self) -> None:
        while not self._closing.is_set():
            try:
                connection = self._listener.accept()
                threading.Thread(target=self._serve_client, args=(connection,), daemon=True).start()
            except (OSError, RuntimeError) as error:  # no file descriptor or thread is free; one may be free soon
                if not self._closing.wait(_TICK):
                    _log.warning("a client cannot connect: %s", error)

    def _serve_client(self, connection: Connection[Any, Any]) -> None:
        with connection:
            try:
                deliver_challenge(connection, self._endpoint.secret)
                answer_challenge(connection, self._endpoint.secret)
            except (AuthenticationError, EOFError, OSError) as error:
                _log.warning("a client's handshake failed: %s", type(error).__name__)
                return
            self._count_client(1)
            try:
                self._serve_requests(connection)
            except (EOFError, OSError):
                return
            finally:
                self._count_client(-1)

    def _serve_requests(self, connection: Connection[Any, Any]) -> None:
        while True:
            frame = connection.recv_bytes(LARGEST_FRAME)
            if self._notices_replacement():
                return
            reply = self._reply_to(frame)
            if self._notices_replacement():  # the operation may have run on files that are gone
                return
            connection.send_bytes(reply)

    def _reply_to(self, frame: bytes) -> bytes:
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
        except Exception as error:  # noqa: BLE001 - reply, because a client whose connection breaks repeats its request
            # Log the traceback without the error's message, which may contain values of the request.
            trace = "".join(traceback.format_tb(error.__traceback__))
            _log.error("a request failed unexpectedly: %s\n%s", type(error).__name__, trace)
            what, fix = "a request to the store failed unexpectedly", "See owner.log in the store's qdrant folder."
            return pack_frame(failure_reply(StorageError(what, type(error).__name__, fix)))

    def _make_way(self) -> bool:
        """Agree to end if the asking client is the only one; return whether the server will end.

        A client that connects after that loses its connection soon, and repeats its request at the next owner.
        """
        with self._lock:
            self._making_way = self._making_way or self._connected == 1
            return self._making_way

    def _count_client(self, change: int) -> None:
        with self._lock:
            self._connected += change
            self._idle_limit = self._idle_seconds  # the first client has come
            self._idle_since = time.monotonic()


def _inode_and_time(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
