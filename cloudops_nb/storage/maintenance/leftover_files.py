"""Removes leftover files that may hold deleted data, and the scan cells in journals that a restore set aside.

A restore sets the store's journal aside (copies it to ``journal.db.<time>.aside``) before the snapshot's journal
replaces it, if the two have diverged or the store's journal does not verify.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.files.database import Database
from cloudops_nb.storage.files.store_file import HEAD_NAME, JOURNAL_NAME
from cloudops_nb.storage.maintenance.master_key_change import BUILD_FOLDER_NAME

if TYPE_CHECKING:
    from pathlib import Path

#: Half-written files of killed processes, and the resources' lock files, which have hashes of ARNs in their names. The
#: caller holds the store exclusively, so no other program uses these files.
_LEFTOVERS: Final = (
    f".{JOURNAL_NAME}.*",
    f".{HEAD_NAME}.*",
    "snapshots/*/.*.partial",
    "locks/resource-*.lock",
)


def set_aside_journals(data_path: Path) -> list[Path]:
    """Return the files of the journals that restores set aside."""
    return sorted(data_path.glob(f"{JOURNAL_NAME}*.aside"))


def remove_leftover_files(data_path: Path) -> None:
    """Remove leftover files, and the scan cells of all accounts in journals that were set aside.

    The caller holds the store exclusively.

    Raises:
        StorageError: A file cannot be removed, or a journal that was set aside is too damaged to remove its cells.
    """
    try:
        if (data_path / BUILD_FOLDER_NAME).exists():
            shutil.rmtree(data_path / BUILD_FOLDER_NAME)
        for pattern in _LEFTOVERS:
            for path in data_path.glob(pattern):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError("leftover files in the data path cannot be removed", error.strerror or "") from error
    for path in data_path.glob(f"{JOURNAL_NAME}.*.aside"):
        _remove_cells(path)


def _remove_cells(path: Path) -> None:
    """Remove the cells of all accounts, and the schedule: cells are encrypted, so their accounts cannot be read."""
    try:
        with closing(Database(path)) as database:
            # No name is empty, so these statements delete every row.
            database.scrub("DELETE FROM cells WHERE cell != ?", [("",)])
            database.scrub("DELETE FROM schedule WHERE task != ?", [("",)])
    except StorageError as error:
        what = f"the scan cells in {path.name} cannot be removed"
        raise StorageError(what, error.why, f"Delete {path}, then forget the account again.") from error
    # Opening the database has created this lock file.
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
