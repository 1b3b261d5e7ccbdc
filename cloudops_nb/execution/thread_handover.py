"""Handing a run over to its thread, so that an interrupt at any moment leaves a run or the record of its failure."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from cloudops_nb.errors import CloudOpsError, ExecutionError
from cloudops_nb.execution.journal_kinds import CONSUMED, EXECUTION_ENDED
from cloudops_nb.execution.plan import PlanStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.ports import JournalPort

_log = logging.getLogger(__name__)


class Launch:
    """Owns what a run holds until its thread takes that over.

    Leaving the block with an error, ``KeyboardInterrupt`` included, frees everything and, where the approval is used
    up, records the run as failed; unless the thread has begun, which then runs on and frees it at its end.
    """

    def __init__(self, execution: Execution, journal: JournalPort) -> None:
        self.held = ExitStack()
        self._execution = execution
        self._journal = journal
        # Taken once: by the thread that runs, or by whoever gives up. A started thread may not have run a line yet.
        self._claim = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or not self._claim.acquire(blocking=False):
            return
        reason = f"it was not begun: {kind.__name__ if kind else ''}"
        try:
            self._record_failure(reason)
        finally:
            self.held.close()
        self._execution.end(PlanStatus.FAILED, reason)

    def start(self, work: Callable[[], tuple[PlanStatus, str]]) -> None:
        """Run ``work`` in a thread of its own, free what is held, and then say that the run is over.

        Raises:
            ExecutionError: The system gives no thread.
        """

        def run() -> None:
            if not self._claim.acquire(blocking=False):
                return
            status, reason = PlanStatus.FAILED, "its thread broke"
            try:
                with self.held:
                    status, reason = work()
            finally:
                # Also after an error of any type, or else a caller would wait for the end forever.
                self._execution.end(status, reason)

        try:
            threading.Thread(target=run, name=f"cloudops-execution-{self._execution.id[:8]}").start()
        except RuntimeError as error:
            raise ExecutionError(
                f"{self._execution.plan.title} was not begun", str(error), "Ask again for a plan."
            ) from error

    def _record_failure(self, reason: str) -> None:
        execution_id = self._execution.id
        body = {"status": PlanStatus.FAILED.value, "reason": reason}
        try:
            used = self._journal.records(kind=CONSUMED, subject=self._execution.plan.id)
            if any(record.body["execution_id"] == execution_id for record in used):
                once = f"{EXECUTION_ENDED}:{execution_id}"
                self._journal.append(EXECUTION_ENDED, execution_id, body, once=once, power_safe=True)
        except CloudOpsError as error:
            _log.error("the end of execution %s is not recorded: %s", execution_id, type(error).__name__)
