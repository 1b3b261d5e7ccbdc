"""What lies beside a store's parts and may still hold what was removed from them: leftovers, and journals set aside."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.files.database import Database
from cloudops_nb.storage.files.store_file import HEAD_NAME, JOURNAL_NAME
from cloudops_nb.storage.maintenance.master_key_change import ASIDE_NAME

if TYPE_CHECKING:
    from pathlib import Path

#: Half-written files of killed processes, and locks, whose names are made from ARNs. Nobody works while they go.
_REMNANTS: Final = (
    f".{JOURNAL_NAME}.*",
    f".{HEAD_NAME}.*",
    "snapshots/*/.*.partial",
    "locks/resource-*.lock",
)


def set_aside_journals(data_path: Path) -> list[Path]:
    """Return the files of journals that were set aside."""
    return sorted(data_path.glob(f"{JOURNAL_NAME}*.aside"))


def remove_leftover_files(data_path: Path) -> None:
    """Remove leftovers, and the scan cells from journals that were set aside; the caller is alone with the store.

    Raises:
        StorageError: A file cannot be removed, or an aside is too damaged to have anything removed from it.
    """
    try:
        if (data_path / ASIDE_NAME).exists():
            shutil.rmtree(data_path / ASIDE_NAME)
        for pattern in _REMNANTS:
            for path in data_path.glob(pattern):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError("what was left in the data path cannot be removed", error.strerror or "") from error
    for path in data_path.glob(f"{JOURNAL_NAME}.*.aside"):
        _scrub(path)


def _scrub(path: Path) -> None:
    try:
        with closing(Database(path)) as database:
            database.scrub("DELETE FROM cells WHERE cell != ?", [("",)])
            database.scrub("DELETE FROM schedule WHERE task != ?", [("",)])
    except StorageError as error:
        what = f"nothing can be removed from {path.name}"
        raise StorageError(what, error.why, f"Remove {path} yourself, then forget the account again.") from error
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
