"""Output and input of a shell: in a kernel's front end (such as JupyterLab), in a terminal, or on plain streams."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from IPython.core.interactiveshell import InteractiveShell


class Screen:
    """Publishes MIME bundles and lines in a shell, and asks questions if a person can answer."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell: Any = shell

    @property
    def rich(self) -> bool:
        """Whether the shell runs in a notebook kernel, whose front end shows MIME bundles and can replace an output."""
        return getattr(self._shell, "kernel", None) is not None

    @property
    def attended(self) -> bool:
        """Whether a person can answer or click; false for a front end without input, such as nbclient or papermill."""
        if self.rich:
            # ipykernel keeps the allow_stdin flag of the current execute request in this attribute.
            return bool(getattr(self._shell.kernel, "_allow_stdin", True))
        return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()

    @property
    def terminal(self) -> bool:
        """Whether the output goes to a terminal, which can overwrite a line."""
        return not self.rich and sys.stdout.isatty()

    def publish(self, bundle: Mapping[str, Any], *, display_id: str = "", update: bool = False) -> None:
        """Show a MIME bundle; with ``update``, replace the output that has the same ``display_id``."""
        transient = {"display_id": display_id} if display_id else {}
        self._shell.display_pub.publish(dict(bundle), transient=transient, update=update)

    def line(self, text: str) -> None:
        """Print text and a line break, and flush the output."""
        print(text, flush=True)  # noqa: T201 - the notebook's own output

    def question(self, prompt: str) -> str | None:
        """Ask a person for one line; return ``None`` if the shell is unattended."""
        if not self.attended:
            return None
        try:
            return input(prompt)
        except (EOFError, StdinNotImplementedError):
            return None


class Throttle:
    """Allows at most one update per interval; threads may share it.

    Args:
        interval: The interval in seconds.
        clock: Returns the time in seconds.
    """

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self._last: float | None = None
        self._lock = threading.Lock()

    def due(self) -> bool:
        """Return whether an update may be shown now; if so, start the next interval."""
        with self._lock:
            now = self._clock()
            if self._last is not None and now - self._last < self._interval:
                return False
            self._last = now
            return True
