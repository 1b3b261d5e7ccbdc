"""Runs work in a daemon thread, and limits the time that a caller waits for a result over the network."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")

#: How long a status check over the network may take, in seconds.
LOOK_SECONDS: Final = 5.0


def in_daemon_thread(work: Callable[[], _Result], name: str) -> Future[_Result]:
    """Start work in a daemon thread, which does not delay the exit; the future has its result or its exception.

    Not in a pool, because a pool's threads do not survive a fork of the process.
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
    """Return the result of ``look``, or ``late`` if it takes too long; it then continues in its daemon thread.

    Raises:
        BaseException: The exception of ``look``, if it raised in time.
    """
    future = in_daemon_thread(look, "cloudops-look")
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # ``look`` itself raised TimeoutError, or ended at the last moment
            return future.result()
        return late
