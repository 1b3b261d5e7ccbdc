"""Snapshots below the data path: whole files only, whoever is killed while writing one."""

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
    """A snapshot of the time ``created`` that is being written to ``stream``.

    There is a ``snapshot`` once it is whole and in its place.
    """

    stream: BinaryIO
    created: datetime
    snapshot: Snapshot = field(init=False)


class SnapshotFolder:
    """Snapshots in ``snapshots/{kind}/``, mode 0600.

    One is written as a hidden file that its writer keeps locked, and named only when it is whole and on the disk; what
    a killed writer left is no longer locked, and :meth:`clean` removes it.
    """

    def __init__(self, data_path: Path) -> None:
        self.folder = data_path / FOLDER_NAME

    def path(self, snapshot: Snapshot) -> Path:
        """Return where a snapshot lies."""
        return self.folder / snapshot.kind / snapshot.name

    def snapshots(self, kind: str) -> list[Snapshot]:
        """List the snapshots of a kind; other files are left out."""
        found = []
        folder = self.folder / kind
        with disk_errors("the snapshots cannot be listed"):
            for path in folder.iterdir() if folder.exists() else ():
                parsed = parse_name(path.name)
                if parsed is not None and parsed[0] == kind and path.is_file():
                    found.append(Snapshot(kind, path.name, parsed[1], path.stat().st_size))
        return found

    def rows(self, snapshot: Snapshot) -> int | None:
        """Read the number of rows from the file's end."""
        if snapshot.bytes < TRAILER_BYTES:
            return None
        with self.opened(snapshot) as stream:
            stream.seek(-TRAILER_BYTES, os.SEEK_END)
            return rows_in(stream.read(TRAILER_BYTES))

    def header(self, snapshot: Snapshot) -> Header | None:
        """Read the header, unverified; ``None`` where there is none to read."""
        with self.opened(snapshot) as stream:
            return header_in(stream.read(HEADER_BYTES))

    @contextmanager
    def opened(self, snapshot: Snapshot) -> Iterator[BinaryIO]:
        """Open the file."""
        with disk_errors(f"{snapshot.name} cannot be read"):
            stream = self.path(snapshot).open("rb")
        with stream:
            yield stream

    def remove(self, snapshot: Snapshot) -> None:
        """Remove the file."""
        with disk_errors(f"{snapshot.name} cannot be removed"):
            self.path(snapshot).unlink(missing_ok=True)

    @contextmanager
    def create(self, kind: str, created: datetime) -> Iterator[SnapshotDraft]:
        """Give a file to write a snapshot to; it gets its name when the block ends, and vanishes on an exception.

        Where another snapshot has the second in its name already, this one is of the next that is free: what it says
        in its header must agree with its name.

        Raises:
            BackupError: The disk is full, or fails.
        """
        what = f"the snapshot of {kind} was not written"
        with disk_errors(what):
            moment, partial, stream = self._reserved(kind, created)
        with _passing(partial, stream), disk_errors(what):
            draft = SnapshotDraft(stream, moment)
            yield draft
            stream.flush()
            os.fsync(stream.fileno())
            final = partial.with_name(snapshot_name(kind, moment))
            size = partial.stat().st_size
            partial.rename(final)
            sync_folder(final.parent)
            draft.snapshot = Snapshot(kind, final.name, moment, size)

    @contextmanager
    def scratch(self, kind: str, what: str) -> Iterator[tuple[BinaryIO, Path]]:
        """Give a hidden, locked file with mode 0600, which is removed at the end of the block if it is still there.

        Args:
            kind: The kind of snapshot that it is for.
            what: What fails where it cannot be made, for the error.

        Raises:
            BackupError: The disk is full, or does not allow it.
        """
        with disk_errors(what):
            partial = self._folder(kind) / f".{secrets.token_hex(8)}{_PARTIAL}"
            stream = _locked(partial)
        with _passing(partial, stream):
            yield stream, partial

    def clean(self) -> int:
        """Remove what killed writers left; returns how many files that were."""
        removed = 0
        for kind in KINDS:
            with disk_errors("what was left of a snapshot cannot be removed"):
                removed += sum(map(_removed_if_left, (self.folder / kind).glob(f".*{_PARTIAL}")))
        return removed

    def _reserved(self, kind: str, created: datetime) -> tuple[datetime, Path, BinaryIO]:
        """Take the first second from a time on that no snapshot has; others find its hidden file."""
        moment = created.replace(microsecond=0)
        while True:
            final = self._folder(kind) / snapshot_name(kind, moment)
            partial = final.with_name(f".{final.name}{_PARTIAL}")
            with suppress(FileExistsError):
                stream = _locked(partial)
                if not final.exists():
                    return moment, partial, stream
                partial.unlink(missing_ok=True)
                stream.close()
            moment += timedelta(seconds=1)

    def _folder(self, kind: str) -> Path:
        folder = self.folder / kind
        for path in (self.folder.parent, self.folder, folder):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def _locked(path: Path) -> BinaryIO:
    """Create a file with mode 0600 and lock it; one that exists is an error."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return os.fdopen(descriptor, "w+b")


@contextmanager
def _passing(path: Path, stream: BinaryIO) -> Iterator[None]:
    """Close a file at the end of the block, and remove it if it still has this name."""
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # on a full disk the last buffer of what is thrown away need not be written
            stream.close()


def _removed_if_left(path: Path) -> bool:
    """Remove a hidden file unless a living process holds its lock."""
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
