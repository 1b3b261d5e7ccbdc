"""Runs work in a daemon thread, and limits the time that a caller waits for the result."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")

#: How long a status check waits for a server, in seconds.
LOOK_SECONDS: Final = 5.0


def in_daemon_thread(work: Callable[[], _Result], name: str) -> Future[_Result]:
    """Start work in a daemon thread, for which the process does not wait at exit; returns the future of the result.

    Each call starts a new thread. A pool's threads do not survive a fork, so in the child process a pool would hang.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again by future.result()
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def within(seconds: float, look: Callable[[], _Result], late: _Result) -> _Result:
    """Return the result of ``look``, or ``late`` if that takes longer than ``seconds``; ``look`` then keeps running.

    Raises:
        BaseException: ``look`` raised the exception in time.
    """
    future = in_daemon_thread(look, "cloudops-look")
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # ``look`` itself raised TimeoutError, or ended just after the wait
            return future.result()
        return late
