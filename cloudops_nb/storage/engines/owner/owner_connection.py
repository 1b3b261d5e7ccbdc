"""Starts the owner process of a data path, and opens connections to it.

The owner process holds the embedded vector store of a data path (a store's folder) for all notebook kernels. A new
connection is usable once both sides have authenticated and have the same protocol version.
"""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, answer_challenge, deliver_challenge
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.engines.owner.endpoint import PROTOCOL, Endpoint
from cloudops_nb.storage.engines.owner.wire_frames import LARGEST_FRAME, pack_frame, unpack_frame

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from cloudops_nb.storage.engines.owner.endpoint import OwnerPaths

#: Longest time from an owner's start until it is ready, in seconds.
START_SECONDS = 60.0
#: Longest time until a running owner sends the first bytes of the handshake, in seconds.
GREETING_SECONDS = 15.0
#: The environment variables that an owner gets, in addition to PYTHONPATH. They contain no key and no AWS credentials.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH")


class ConnectionLostError(Exception):
    """No owner can be reached, or the connection broke; the request may be repeated on a new connection."""


def connect_to_owner(paths: OwnerPaths) -> Connection[Any, Any]:
    """Connect to the owner that wrote the endpoint file.

    Raises:
        ConnectionLostError: No owner is running; the owner is ending; the process at the socket's address does not know
            the secret in the endpoint file; or the owner has another protocol version and has agreed to end.
        StoreUnavailableError: The owner has another protocol version and serves other clients, or it does not answer.
    """
    endpoint = Endpoint.read(paths.endpoint)
    if endpoint is None:
        raise ConnectionLostError
    try:
        connection = Client(endpoint.address, family="AF_UNIX")
    except OSError as error:
        raise ConnectionLostError from error
    try:
        _greet(connection, endpoint)
    except BaseException as error:
        connection.close()
        if isinstance(error, EOFError | OSError | AuthenticationError):
            raise ConnectionLostError from error
        raise
    return connection


def start_owner(paths: OwnerPaths, idle_seconds: float) -> None:
    """Start an owner and return once it is ready; the caller holds the start lock.

    Raises:
        StoreUnavailableError: The owner did not start; the error contains the last line that it printed.
    """
    # The child must import the package that this process uses, even if another version is installed.
    package_root = str(Path(__file__).parents[4])
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    search_path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
    # -P, because -m would put the working directory first on sys.path (docs.python.org/3/using/cmdline.html).
    command = [sys.executable, "-P", "-m", "cloudops_nb.storage.engines.owner", str(paths.data_path), str(idle_seconds)]
    try:
        finished = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, "PYTHONPATH": search_path},
            cwd="/",
            start_new_session=True,
            timeout=START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_started(paths, type(error).__name__) from error
    if finished.returncode:
        lines = finished.stdout.decode(errors="replace").strip().splitlines()
        raise _not_started(paths, lines[-1] if lines else f"it ended with status {finished.returncode}")


def _greet(connection: Connection[Any, Any], endpoint: Endpoint) -> None:
    if not connection.poll(GREETING_SECONDS):
        why = f"the store's process {endpoint.pid} accepted a connection but sent nothing for {GREETING_SECONDS:.0f} s"
        raise StoreUnavailableError("the store does not answer", why, f"End process {endpoint.pid} and try again.")
    answer_challenge(connection, endpoint.secret)
    deliver_challenge(connection, endpoint.secret)
    connection.send_bytes(pack_frame(["hello", {}]))
    _, greeting = unpack_frame(connection.recv_bytes(LARGEST_FRAME))
    if greeting["protocol"] != PROTOCOL:
        _ask_to_make_way(connection, greeting["protocol"])


def _ask_to_make_way(connection: Connection[Any, Any], protocol: int) -> NoReturn:
    """Ask an owner with another protocol version to end.

    Raises:
        ConnectionLostError: The owner agreed, because this is its only client.
        StoreUnavailableError: The owner has other clients.
    """
    connection.send_bytes(pack_frame(["make_way", {}]))
    status, *reply = unpack_frame(connection.recv_bytes(LARGEST_FRAME))
    if status == "ok" and reply[0]:
        raise ConnectionLostError
    raise StoreUnavailableError(
        "the store is in use by another version of cloudops-nb",
        f"the store's process has protocol version {protocol}, and this version of cloudops-nb has {PROTOCOL}",
        "Restart the notebook kernels that use the other version.",
    )


def _not_started(paths: OwnerPaths, why: str) -> StoreUnavailableError:
    return StoreUnavailableError("the store's process cannot be started", why, f"See {paths.log}.")
