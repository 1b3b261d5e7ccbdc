"""Looks that end in time, whatever the other side does."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Found = TypeVar("_Found")

#: How long a look at something over the network may take, in seconds.
LOOK_SECONDS: Final = 5.0


def within(seconds: float, look: Callable[[], _Found], late: _Found) -> _Found:
    """Return what a look finds, or ``late`` if it takes too long: then it goes on in a daemon thread, unheeded.

    Raises:
        BaseException: What the look raised in time.
    """
    answers: queue.SimpleQueue[tuple[_Found, None] | tuple[None, BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((look(), None))
        except BaseException as error:  # noqa: BLE001 - raised where the look was asked for
            answers.put((None, error))

    threading.Thread(target=run, name="cloudops-look", daemon=True).start()
    try:
        found, error = answers.get(timeout=seconds)
    except queue.Empty:
        return late
    if error is not None:
        raise error
    return found  # type: ignore[return-value]  # without an error there is a finding
