"""The moments at which a process is killed: before, within and after each journal record and each AWS call.

The process says each moment before it may die there. A moment that only begins something is said before that begins,
and one that ends something after it ended, so what was said is never ahead of the journal or of AWS.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudops_nb.execution.executor import InProcess
from cloudops_nb.storage.journal.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cloudops_nb.execution.executor import ApiCall, CallResult
    from cloudops_nb.execution.ports import Clients
    from cloudops_nb.model import JournalRecord
    from cloudops_nb.storage.vault import Vault

#: A record: before it is written, after that and before the journal's head is sealed, and after both.
WRITING, WRITTEN, SEALED = "before the record", "before the head is sealed", "after the record"
#: A call: before it is sent, and after its answer came.
CALLING, CALLED = "before the call", "after the call"


@dataclass(frozen=True)
class Moment:
    """What a process says: which moment it is, of what, and the record's kind and body, or the call's parameters."""

    phase: str
    what: str
    kind: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """Where a process dies: at a moment that it meets for the ``count``-th time, or ``delay`` seconds after it."""

    phase: str
    what: str
    count: int = 1
    delay: float = 0.0


class Points:
    """Says each moment, and kills this process at the point."""

    def __init__(self, say: Callable[[Moment], None]) -> None:
        self._say = say
        self._point: Point | None = None
        self._met: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._on = False

    def arm(self, point: Point | None) -> None:
        """Begin to say the moments, and to wait for the point."""
        self._met.clear()
        self._point, self._on = point, True

    def disarm(self) -> None:
        """Say no more, and do not die."""
        self._on = False

    def met(self, moment: Moment) -> None:
        """Say a moment and die there, if it is the point."""
        # The lock is held while dying, so that no other thread says what may not be true any more.
        with self._lock:
            point = self._point
            if not self._on:
                return
            name = moment.phase, moment.what
            self._met[name] += 1
            self._say(moment)
            if point is None or (*name, self._met[name]) != (point.phase, point.what, point.count):
                return
            if not point.delay:
                _die()
            threading.Timer(point.delay, _die).start()


class WatchedJournal(Journal):
    """A journal whose records are moments."""

    def __init__(self, data_path: Path, vault: Vault, points: Points) -> None:
        super().__init__(data_path, vault)
        self._points = points
        self._appended = threading.local()

    def append(
        self, kind: str, subject: str, body: Mapping[str, Any], *, once: str = "", power_safe: bool = False
    ) -> JournalRecord:
        what = " ".join(filter(None, (kind, body.get("step", ""), body.get("target", ""))))
        self._appended.record = what, kind, body
        self._points.met(Moment(WRITING, what, kind, body))
        record = super().append(kind, subject, body, once=once, power_safe=power_safe)
        self._points.met(Moment(SEALED, what, kind, body))
        return record

    def _seal(self, head: Any, *, power_safe: bool) -> None:
        what, kind, body = self._appended.record
        self._points.met(Moment(WRITTEN, what, kind, body))
        super()._seal(head, power_safe=power_safe)


class WatchedExecutor(InProcess):
    """Makes calls, each of which is two moments."""

    def __init__(self, clients: Clients, points: Points) -> None:
        super().__init__(clients)
        self._points = points

    def call(self, call: ApiCall) -> CallResult:
        kind = call.api if call.changes else ""
        what = f"{call.service}:{call.api} {json.dumps(call.parameters, sort_keys=True)}"
        self._points.met(Moment(CALLING, what, kind, call.parameters))
        result = super().call(call)
        self._points.met(Moment(CALLED, what, kind, call.parameters))
        return result


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()
