"""How late a thread wakes during other work of its process, as a cell does that a person runs during a scan."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from benchmarks.figure import percentile

if TYPE_CHECKING:
    from types import TracebackType

#: Seconds that the thread sleeps at a time.
SLEEP = 0.010


class Lateness:
    """A context manager whose thread sleeps 10 ms at a time, and notes how many milliseconds late it wakes."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sleep_and_note, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def percentile(self, share: float) -> float:
        """Return the milliseconds that ``share`` (0 to 1) of the wakings do not exceed."""
        return percentile(self._late, share)

    def _sleep_and_note(self) -> None:
        while not self._stop.is_set():
            before = time.perf_counter()
            time.sleep(SLEEP)
            self._late.append((time.perf_counter() - before - SLEEP) * 1e3)


def idle_lateness(seconds: float = 3.0) -> Lateness:
    """Measure the lateness while this process does nothing else, which is the machine's own."""
    with Lateness() as idle:
        time.sleep(seconds)
    return idle
