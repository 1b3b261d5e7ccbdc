"""Whether a run was cancelled, and for how long it may still clean up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Event

#: How long the steps after a cancel may take, in seconds: automation-actions, "onCancel".
CLEAN_UP_SECONDS = 120


class Cancellation:
    """The cancel of one target, or of a plan that runs once; ``requested`` is set by a person."""

    def __init__(self, requested: Event) -> None:
        self._requested = requested
        self.clean_up_until: float | None = None

    @property
    def requested(self) -> bool:
        """Whether a person cancelled the run."""
        return self._requested.is_set()

    @property
    def cleaning(self) -> bool:
        """Whether the steps of an ``onCancel`` run, of the document or of one around it."""
        return self.clean_up_until is not None

    @property
    def stops(self) -> bool:
        """Whether no further step may begin."""
        if self.clean_up_until is not None:
            return time.monotonic() >= self.clean_up_until
        return self.requested

    def clean_up(self) -> None:
        """Let steps of an ``onCancel`` run; documents around one that cleans up share its time."""
        if self.clean_up_until is None:
            self.clean_up_until = time.monotonic() + CLEAN_UP_SECONDS
