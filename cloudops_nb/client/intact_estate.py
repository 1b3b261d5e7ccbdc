"""The check that plans of changes make: the rows of the estate are unaltered and readable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import StoreCorruptedError
from cloudops_nb.storage.estate.integrity import require_unaltered

if TYPE_CHECKING:
    from cloudops_nb.storage.facade import StorageService


class ReadFailures:
    """Counts the rows of the estate that could not be decrypted since this object was made."""

    def __init__(self, storage: StorageService) -> None:
        self._alarm = storage.vault.envelope.alarm
        self._before = self._alarm.failures

    @property
    def count(self) -> int:
        """The number of failures."""
        return self._alarm.failures - self._before


def require_intact(storage: StorageService, left_out: int, unreadable: str, *, again: bool = True) -> None:
    """Check the estate's rows before a change is planned.

    Args:
        storage: The store.
        left_out: How often a row that matters could not be decrypted.
        unreadable: Says which row that is, as in "a stored resource that may depend on a target".
        again: Whether to check an estate that has not changed since the last check.

    Raises:
        StoreCorruptedError: The estate was altered, or a row that matters cannot be decrypted.
    """
    require_unaltered(storage.estate.integrity.check(again=again))
    if left_out:
        why = f"{unreadable} cannot be decrypted"
        raise StoreCorruptedError("no change is planned", why, "Scan again, or restore a backup.")
