"""The seam between backups and the places that keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from cloudops_nb.storage.backup.archive import Header
    from cloudops_nb.storage.backup.snapshot import Snapshot


class Place(Protocol):
    """Somewhere that snapshots are kept; methods raise :class:`~cloudops_nb.errors.BackupError`."""

    def snapshots(self, kind: str) -> list[Snapshot]:
        """List the snapshots of a kind, in no set order."""

    def rows(self, snapshot: Snapshot) -> int | None:
        """Return the number of rows that a snapshot says it has; ``None`` where it is too damaged to say."""

    def header(self, snapshot: Snapshot) -> Header | None:
        """Return what a snapshot says about itself, unverified; ``None`` where it is too damaged to say."""

    def opened(self, snapshot: Snapshot) -> AbstractContextManager[BinaryIO]:
        """Open a snapshot as a seekable file, for the time of a ``with`` block."""

    def remove(self, snapshot: Snapshot) -> None:
        """Remove a snapshot; does nothing if it is gone already."""
