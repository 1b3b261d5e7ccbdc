"""Work in a daemon thread of its own, and looks that end in time, whatever the other side does."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Found = TypeVar("_Found")

#: How long a look at something over the network may take, in seconds.
LOOK_SECONDS: Final = 5.0


def in_daemon_thread(work: Callable[[], _Found], name: str) -> Future[_Found]:
    """Start work in a thread that holds nobody up at exit; its result, or what it raised, is in the future.

    A thread of its own, not a pool's: a process that forks keeps no pool.
    """
    future: Future[_Found] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def within(seconds: float, look: Callable[[], _Found], late: _Found) -> _Found:
    """Return what a look finds, or ``late`` if it takes too long: then it goes on in a daemon thread, unheeded.

    Raises:
        BaseException: What the look raised in time.
    """
    future = in_daemon_thread(look, "cloudops-look")
    try:
        return future.result(seconds)
    except TimeoutError:
        if future.done():  # the look's own, or one that ended at the last moment
            return future.result()
        return late
