"""Counts failed decryptions: one may be an accident, several mean that the data was altered or the key is wrong."""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from typing import TYPE_CHECKING

from cloudops_nb.errors import CloudOpsWarning

if TYPE_CHECKING:
    from collections.abc import Callable

#: This many failures within this many seconds cause a warning.
ALARM_FAILURES, ALARM_WINDOW_SECONDS = 3, 600.0


class DecryptAlarm:
    """Counts the failed decryptions of one open store, and warns once about a series of them; thread-safe.

    Attributes:
        failures: The number of decryptions that failed since the store was opened.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: deque[float] = deque(maxlen=ALARM_FAILURES)
        self._warned = False

    def record_failure(self) -> None:
        """Count a failure; give the warning when enough failures have come within the time window, but only once."""
        with self._lock:
            now = self._clock()
            self.failures += 1
            self._recent.append(now)
            alarming = len(self._recent) == ALARM_FAILURES and now - self._recent[0] <= ALARM_WINDOW_SECONDS
            if self._warned or not alarming:
                return
            self._warned = True
        what = f"{ALARM_FAILURES} encrypted values could not be decrypted"
        why = "the store's data was altered or the key is wrong"
        fix = "verify the journal, and restore a backup if the store was altered"
        warnings.warn(f"{what}: {why}; {fix}", CloudOpsWarning, stacklevel=2)
