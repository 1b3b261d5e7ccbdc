"""Where output goes: a front end behind a kernel, a terminal, or a plain stream with nobody at it."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.core.interactiveshell import InteractiveShell


class Screen:
    """Publishes MIME bundles to whoever watches a shell, and asks questions where somebody can answer."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell: Any = shell
        self.cells_started = 0

    @property
    def rich(self) -> bool:
        """Whether a kernel's front end shows the output, and can replace it in place."""
        return getattr(self._shell, "kernel", None) is not None

    @property
    def attended(self) -> bool:
        """Whether a person can answer; a front end that takes no input (nbclient, papermill) has nobody to click."""
        if self.rich:
            return bool(getattr(self._shell.kernel, "_allow_stdin", True))
        return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()

    @property
    def terminal(self) -> bool:
        """Whether lines can be rewritten in a terminal."""
        return not self.rich and sys.stdout.isatty()

    def publish(self, bundle: Mapping[str, Any], *, display_id: str = "", update: bool = False) -> None:
        """Show a MIME bundle; with ``update`` it replaces what was shown under the same ``display_id``."""
        transient = {"display_id": display_id} if display_id else {}
        self._shell.display_pub.publish(dict(bundle), transient=transient, update=update)

    def line(self, text: str) -> None:
        """Print one line at once, also where output is buffered."""
        print(text, flush=True)  # noqa: T201 - the notebook's own output

    def question(self, prompt: str) -> str | None:
        """Ask a person for one line; ``None`` when nobody can answer."""
        if not self.attended:
            return None
        try:
            return input(prompt)
        except (EOFError, StdinNotImplementedError):
            return None


class Pace:
    """Lets at most one of many updates through in each interval; safe to ask from several threads."""

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self._last: float | None = None
        self._lock = threading.Lock()

    def due(self) -> bool:
        """Whether an update may be shown now; saying yes starts the next interval."""
        with self._lock:
            now = self._clock()
            if self._last is not None and now - self._last < self._interval:
                return False
            self._last = now
            return True
