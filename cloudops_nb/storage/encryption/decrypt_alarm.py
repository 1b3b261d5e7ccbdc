"""Counts envelopes that fail to decrypt: one may be an accident, several mean that the data was altered."""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from typing import TYPE_CHECKING

from cloudops_nb.errors import CloudOpsWarning

if TYPE_CHECKING:
    from collections.abc import Callable

#: This many failures within this many seconds raise the alarm.
ALARMING, WITHIN_SECONDS = 3, 600.0


class DecryptAlarm:
    """Counts the decryption failures of one open store and warns once about a series of them; thread-safe.

    Attributes:
        failures: The number of envelopes that failed to decrypt since the store was opened.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: deque[float] = deque(maxlen=ALARMING)
        self._raised = False

    def failed(self) -> None:
        """Count a failure; warn the first time that :data:`ALARMING` failures occur within :data:`WITHIN_SECONDS`."""
        with self._lock:
            now = self._clock()
            self.failures += 1
            self._recent.append(now)
            alarming = len(self._recent) == ALARMING and now - self._recent[0] <= WITHIN_SECONDS
            if self._raised or not alarming:
                return
            self._raised = True
        advice = "verify the journal, and restore a backup if the store was altered"
        text = f"{ALARMING} encrypted values did not open: the store's data was altered or the key is wrong; {advice}"
        warnings.warn(text, CloudOpsWarning, stacklevel=2)
