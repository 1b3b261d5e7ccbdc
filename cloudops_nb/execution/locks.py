"""Operating-system locks: one change at a time per resource, and whether an execution's process still lives.

The system frees a lock when its process ends, however it ends, so a held lock is proof of life and no lock can be left
behind. File names are hashes or random ids; they name no resource.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cloudops_nb.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Long enough to outlast another process's probe, short enough not to be felt.
_PROBE_SECONDS = 0.1


class Locks:
    """The locks under one folder, shared by every process that uses the same data path."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold(self, arns: Sequence[str], execution_id: str) -> ExitStack:
        """Take the lock of every resource and of the execution; closing the result frees them, from any thread.

        Raises:
            PlanError: Another change is running on one of the resources, or the plan of the execution is being run.
        """
        with ExitStack() as taken:
            for arn in sorted(set(arns)):
                try:
                    self._acquire(taken, _resource_file(arn))
                except Timeout:
                    raise PlanError(
                        f"{arn.rsplit(':', 1)[-1]} is being changed by another execution",
                        "one change at a time per resource",
                        "Wait for it to end, then apply again.",
                    ) from None
            try:
                self._acquire(taken, _execution_file(execution_id))
            except Timeout:
                raise PlanError("the plan is being run", "a plan runs once", "Follow its execution.") from None
            # Empty and of no further use; a program that finds it gone finds the execution's end in the journal.
            taken.callback((self._path / _execution_file(execution_id)).unlink, missing_ok=True)
            return taken.pop_all()

    def alive(self, execution_id: str) -> bool:
        """Return whether the process that runs the execution still lives."""
        with self.claim(execution_id) as claimed:
            return not claimed

    @contextmanager
    def claim(self, execution_id: str) -> Iterator[bool]:
        """Hold a dead execution's lock inside the block; yields ``False`` when the execution lives."""
        path = self._path / _execution_file(execution_id)
        if not path.exists():
            yield True
            return
        lock = FileLock(path, timeout=_PROBE_SECONDS, mode=0o600, thread_local=False)
        try:
            lock.acquire(poll_interval=_PROBE_SECONDS / 5)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _acquire(self, taken: ExitStack, name: str) -> None:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(self._path / name, timeout=_PROBE_SECONDS, mode=0o600, thread_local=False)
        lock.acquire(poll_interval=_PROBE_SECONDS / 5)
        taken.callback(lock.release)


def _resource_file(arn: str) -> str:
    return f"resource-{hashlib.sha256(arn.encode()).hexdigest()}.lock"


def _execution_file(execution_id: str) -> str:
    return f"execution-{execution_id}.lock"
