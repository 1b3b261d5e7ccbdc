"""Snapshots in a folder below the data path; a file gets its name only when complete, even if a writer crashes."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO

from cloudops_nb.storage.backup.archive import HEADER_BYTES, TRAILER_BYTES, header_in, rows_in
from cloudops_nb.storage.backup.disk import disk_errors
from cloudops_nb.storage.backup.snapshot import KINDS, Snapshot, parse_name, snapshot_name
from cloudops_nb.storage.files.private_files import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from cloudops_nb.storage.backup.archive import Header

FOLDER_NAME = "snapshots"
_PARTIAL = ".partial"


@dataclass
class SnapshotDraft:
    """An unfinished snapshot.

    Attributes:
        stream: The file that the snapshot is written to.
        created: The time of the snapshot, in whole seconds.
        snapshot: The snapshot; set once the file is complete and has its name.
    """

    stream: BinaryIO
    created: datetime
    snapshot: Snapshot = field(init=False)


class SnapshotFolder:
    """Snapshots as files with mode 0600 in ``snapshots/{kind}/``.

    A writer fills a hidden file that it has locked, and renames the file once the file is complete and synced to disk.
    If the writer is killed, the operating system releases the lock, so :meth:`clean` can remove the hidden file.
    """

    def __init__(self, data_path: Path) -> None:
        self.folder = data_path / FOLDER_NAME

    def path(self, snapshot: Snapshot) -> Path:
        """Return the path of a snapshot."""
        return self.folder / snapshot.kind / snapshot.name

    def snapshots(self, kind: str) -> list[Snapshot]:
        """List the snapshots of a kind, in no particular order, and ignore other files."""
        found = []
        folder = self.folder / kind
        with disk_errors("the snapshots cannot be listed"):
            for path in folder.iterdir() if folder.exists() else ():
                parsed = parse_name(path.name)
                if parsed is not None and parsed[0] == kind and path.is_file():
                    found.append(Snapshot(kind, path.name, parsed[1], path.stat().st_size))
        return found

    def rows(self, snapshot: Snapshot) -> int | None:
        """Read the number of rows from the file's end; ``None`` if the file is too short, or was truncated."""
        if snapshot.bytes < TRAILER_BYTES:
            return None
        with self.opened(snapshot) as stream:
            stream.seek(-TRAILER_BYTES, os.SEEK_END)
            return rows_in(stream.read(TRAILER_BYTES), snapshot.bytes)

    def header(self, snapshot: Snapshot) -> Header | None:
        """Read the unverified header from the file's beginning; ``None`` if it is unreadable."""
        with self.opened(snapshot) as stream:
            return header_in(stream.read(HEADER_BYTES))

    @contextmanager
    def opened(self, snapshot: Snapshot) -> Iterator[BinaryIO]:
        """Open the file for reading; it is closed at the end of the block."""
        with disk_errors(f"{snapshot.name} cannot be read"):
            stream = self.path(snapshot).open("rb")
        with stream:
            yield stream

    def remove(self, snapshot: Snapshot) -> None:
        """Remove the file, if it exists."""
        with disk_errors(f"{snapshot.name} cannot be removed"):
            self.path(snapshot).unlink(missing_ok=True)

    @contextmanager
    def create(self, kind: str, created: datetime) -> Iterator[SnapshotDraft]:
        """Create a file for a snapshot; it gets its name at the end of the block, and is removed after an exception.

        A name contains the time in whole seconds. If a snapshot of the second ``created`` exists, the draft's time is
        the next free second. The name and the snapshot's header must have the same time, so the writer must put the
        draft's time in the header.

        Raises:
            BackupError: The disk is full or fails.
        """
        what = f"the snapshot of {kind} was not written"
        with disk_errors(what):
            moment, partial, stream = self._reserved_second(kind, created)
        with _temporary(partial, stream), disk_errors(what):
            draft = SnapshotDraft(stream, moment)
            yield draft
            # Sync the file before the rename, and the folder after it: a power cut then leaves no incomplete snapshot.
            stream.flush()
            os.fsync(stream.fileno())
            final = partial.with_name(snapshot_name(kind, moment))
            size = partial.stat().st_size
            partial.rename(final)
            sync_folder(final.parent)
            draft.snapshot = Snapshot(kind, final.name, moment, size)

    @contextmanager
    def scratch(self, kind: str, what: str) -> Iterator[tuple[BinaryIO, Path]]:
        """Create a hidden, locked file with mode 0600, and remove it at the end of the block.

        Args:
            kind: The kind of snapshot that the file is for.
            what: The beginning of the error text if the file cannot be created.

        Raises:
            BackupError: The disk is full, or permission is missing.
        """
        with disk_errors(what):
            partial = self._kind_folder(kind) / f".{secrets.token_hex(8)}{_PARTIAL}"
            stream = _create_locked(partial)
        with _temporary(partial, stream):
            yield stream, partial

    def clean(self) -> int:
        """Remove the hidden files of killed writers; returns how many were removed."""
        removed = 0
        for kind in KINDS:
            with disk_errors("an unfinished snapshot cannot be removed"):
                removed += sum(map(_remove_if_unlocked, (self.folder / kind).glob(f".*{_PARTIAL}")))
        return removed

    def _reserved_second(self, kind: str, created: datetime) -> tuple[datetime, Path, BinaryIO]:
        """Find the first second from ``created`` on that has no snapshot; a hidden file then reserves its name."""
        moment = created.replace(microsecond=0)
        while True:
            final = self._kind_folder(kind) / snapshot_name(kind, moment)
            partial = final.with_name(f".{final.name}{_PARTIAL}")
            with suppress(FileExistsError):
                stream = _create_locked(partial)
                if not final.exists():
                    return moment, partial, stream
                partial.unlink(missing_ok=True)
                stream.close()
            moment += timedelta(seconds=1)

    def _kind_folder(self, kind: str) -> Path:
        """Return the folder of a kind; if it is missing, create it with mode 0700."""
        folder = self.folder / kind
        for path in (self.folder.parent, self.folder, folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def _create_locked(path: Path) -> BinaryIO:
    """Create a file with mode 0600 and lock it; raises FileExistsError if it exists."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return os.fdopen(descriptor, "w+b")


@contextmanager
def _temporary(path: Path, stream: BinaryIO) -> Iterator[None]:
    """Close a file at the end of the block, and remove it unless the block renamed it."""
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        # Closing writes the last buffer, and fails on a full disk. That is harmless, because the file is removed.
        with suppress(OSError):
            stream.close()


def _remove_if_unlocked(path: Path) -> bool:
    """Remove a hidden file unless a running process holds its lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
