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
    """Start work in a daemon thread, and return the future of its result; the process does not wait for it at exit.

    The thread is not from a pool, because the threads of a pool do not survive a fork of the process.
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
    """Return the result of ``look``, or ``late`` if ``look`` has not ended in time; ``look`` then keeps running.

    Raises:
        BaseException: The exception that ``look`` raised in time.
    """
    future = in_daemon_thread(look, "cloudops-look")
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # ``look`` itself raised TimeoutError, or ended just after the wait
            return future.result()
        return late
