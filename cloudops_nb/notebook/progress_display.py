"""Shows the progress of a scan: updates one display in place, or prints a line every ten seconds to a plain stream."""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudops_nb.notebook.output import Screen, Throttle
from cloudops_nb.presentation.as_html import html_box
from cloudops_nb.presentation.escape import marked_html, visible
from cloudops_nb.presentation.mime_types import HTML, PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.scanner.running.scan_progress import Progress

#: The minimum number of seconds between two updates of a display in a notebook, or of a line in a terminal.
REDRAW_INTERVAL = 0.25
#: The minimum number of seconds between two lines on a plain stream.
LINE_INTERVAL = 10.0
_TERMINAL_WIDTH = 100
_MINUTE = 60


class ProgressDisplay:
    """Shows the progress of a scan, at most once per interval; threads may share it."""

    def __init__(self, screen: Screen, title: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._title = title
        self._clock = clock
        self._started = clock()
        self._throttle = Throttle(REDRAW_INTERVAL if screen.rich or screen.terminal else LINE_INTERVAL, clock)
        self._display_id = f"cloudops-progress-{uuid.uuid4()}"
        self._published = False
        self._last: Progress | None = None
        self._lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        """Remember the progress, and show it if the interval since the last update has passed."""
        self._last = progress
        if self._throttle.due():
            self._draw(progress, self._line(progress))

    def end(self, outcome: str) -> None:
        """Show the outcome (``done``, ``interrupted`` or ``failed``) and the duration, if any progress was received."""
        elapsed = duration_text(self._clock() - self._started)
        if self._last is None:
            return
        last = self._last
        text = f"{self._title} {outcome}: {_counts_text(last)} in {elapsed}"
        self._draw(last, text, final=True)

    def _line(self, progress: Progress) -> str:
        time_left = f", {duration_text(progress.eta)} left" if progress.eta is not None else ""
        current = f" · {visible(progress.current, limit=60)}" if progress.current else ""
        return f"{self._title}: {_counts_text(progress)}, {progress.rate:.1f} cells/s{time_left}{current}"

    def _draw(self, progress: Progress, text: str, *, final: bool = False) -> None:
        # Without the lock, two threads could both create the display instead of updating it.
        with self._lock:
            if self._screen.rich:
                bundle = {PLAIN: text, HTML: _progress_html(progress, text)}
                self._screen.publish(bundle, display_id=self._display_id, update=self._published)
                self._published = True
            elif self._screen.terminal:
                end = "\n" if final else ""
                print(f"\r{text[:_TERMINAL_WIDTH]:<{_TERMINAL_WIDTH}}", end=end, flush=True)  # noqa: T201 - a terminal
            else:
                self._screen.line(text)


@contextmanager
def shown_progress(screen: Screen, title: str) -> Iterator[ProgressDisplay]:
    """Show the progress while the ``with`` block runs, and the outcome when the block ends."""
    display = ProgressDisplay(screen, title)
    try:
        yield display
    except BaseException as error:
        display.end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
    display.end("done")


def duration_text(seconds: float) -> str:
    """Return a duration as text: ``0.4 s``, ``12 s``, ``3 min 20 s``."""
    if seconds < 10:  # noqa: PLR2004 - from ten seconds on, tenths do not matter
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < _MINUTE else f"{whole // _MINUTE} min {whole % _MINUTE} s"


def _counts_text(progress: Progress) -> str:
    return f"{progress.done:,} of {progress.total:,} cells, {progress.resources:,} resources, {progress.calls:,} calls"


def _progress_html(progress: Progress, text: str) -> str:
    share = 100 * progress.done / progress.total if progress.total else 0.0
    bar = (
        f'<div class="co-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{share:.0f}">'
        f'<div style="width:{share:.1f}%"></div></div>'
    )
    return html_box(
        f'<div class="co-message"><p class="co-numbers">{marked_html(text, limit=400)}</p>{bar}</div>', label="Progress"
    )
