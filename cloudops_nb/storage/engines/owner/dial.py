"""Opening one connection to a living owner: connect, prove who we are to each other, agree on the protocol."""

from __future__ import annotations

from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, answer_challenge, deliver_challenge
from typing import TYPE_CHECKING, Any, NoReturn

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.engines.owner.endpoint import PROTOCOL, Endpoint
from cloudops_nb.storage.engines.owner.frames import LARGEST_FRAME, pack, unpack

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from cloudops_nb.storage.engines.owner.endpoint import OwnerPaths

#: How long a living owner may take to greet, in seconds.
GREETING_SECONDS = 15.0


class ConnectionLostError(Exception):
    """Nobody listens, or the connection broke; the request may be repeated on a new one."""


def dial(paths: OwnerPaths) -> Connection[Any, Any]:
    """Connect to the owner that wrote the endpoint's file.

    Raises:
        ConnectionLostError: There is no owner, or it just ended, or who listens there did not write the file; or it was
            of another version, nobody else used it, and it makes way.
        StoreUnavailableError: It is of another version and in use, or alive and mute.
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


def _greet(connection: Connection[Any, Any], endpoint: Endpoint) -> None:
    if not connection.poll(GREETING_SECONDS):
        why = f"its process {endpoint.pid} is alive and does not answer"
        raise StoreUnavailableError("the store does not answer", why, f"End process {endpoint.pid} and try again.")
    answer_challenge(connection, endpoint.secret)
    deliver_challenge(connection, endpoint.secret)
    connection.send_bytes(pack(["hello", {}]))
    _, answer = unpack(connection.recv_bytes(LARGEST_FRAME))
    if answer["protocol"] != PROTOCOL:
        _replace(connection, answer["protocol"])


def _replace(connection: Connection[Any, Any], protocol: int) -> NoReturn:
    """Ask an owner of another version to make way, which it does when we are its only client."""
    connection.send_bytes(pack(["make_way", {}]))
    status, *answer = unpack(connection.recv_bytes(LARGEST_FRAME))
    if status == "ok" and answer[0]:
        raise ConnectionLostError
    raise StoreUnavailableError(
        "the store is in use by another version of cloudops-nb",
        f"its process speaks protocol {protocol}, this one {PROTOCOL}",
        "Restart the kernels that use the other version.",
    )
