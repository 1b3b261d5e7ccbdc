"""Reports on backups, restores and listings, with one row per snapshot, and the health of a store's backups."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from datetime import datetime

    from cloudops_nb.storage.schedule.schedule_status import ScheduleStatus


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One snapshot, in a backup or a listing.

    Attributes:
        kind: The part of the store that the snapshot holds.
        name: The snapshot's name; empty if no snapshot was taken.
        created: The time of the snapshot in UTC; ``None`` if no snapshot was taken.
        bytes: The size of the snapshot's file; ``None`` if no snapshot was taken.
        points: The number of rows in the snapshot; ``None`` if unknown.
        local: True if the snapshot is on the local disk.
        s3: True if the snapshot is in S3.
        note: A remark, or the reason why the snapshot was not taken, not uploaded or not readable.
    """

    kind: str
    name: str
    created: datetime | None
    bytes: int | None
    points: int | None
    local: bool
    s3: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class RestoreRow:
    """The restore of one part of the store.

    Attributes:
        kind: The part of the store.
        name: The snapshot's name; empty if no snapshot was found.
        place: Where the snapshot was found: ``this disk``, ``S3`` or ``file``; empty if none could be used.
        outcome: ``replaced``, ``merged``, ``kept`` or ``failed``.
        points: The number of rows in the part afterwards; ``None`` if the restore failed.
        note: A remark, or the reason of a failure.
    """

    kind: str
    name: str
    place: str
    outcome: str
    points: int | None
    note: str = ""


@dataclass(frozen=True)
class BackupReport:
    """The result of a backup, a listing or a restore: its rows, and one line per problem; no problem means success.

    ``warnings`` are failures of work that the caller did not ask for, such as the removal of old snapshots.
    """

    rows: tuple[SnapshotRow | RestoreRow, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True if everything that the caller asked for was done."""
        return not self.problems

    def table(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries with the same keys, for ``pandas.DataFrame``."""
        return [asdict(row) for row in self.rows]

    def __str__(self) -> str:
        lines = [_restore_line(row) if isinstance(row, RestoreRow) else _snapshot_line(row) for row in self.rows]
        lines += [f"Problem: {problem}" for problem in self.problems]
        return "\n".join([*lines, *(f"Warning: {warning}" for warning in self.warnings)])


class BackupHealth(TypedDict):
    """The state of a store's backups.

    Attributes:
        s3_configured: True if the settings name an S3 bucket.
        s3_reachable: True if the store's snapshots in S3 could be listed; ``None`` if no bucket is configured.
        s3_problem: The error of listing the snapshots in S3, or empty.
        newest: The time of the newest snapshot of each kind; ``None`` for a kind without a snapshot.
        schedule: The status of the regular backups.
    """

    s3_configured: bool
    s3_reachable: bool | None
    s3_problem: str
    newest: dict[str, datetime | None]
    schedule: ScheduleStatus


def _snapshot_line(row: SnapshotRow) -> str:
    places = " and ".join(name for name, has_it in (("on this disk", row.local), ("in S3", row.s3)) if has_it)
    if not places:
        return f"{row.kind}: no snapshot"
    size = f"{row.points if row.points is not None else 'unknown'} rows, {(row.bytes or 0) / 1e6:.1f} MB"
    note = f" ({row.note})" if row.note else ""
    return f"{row.kind}: {row.name} {places}, {size}{note}"


def _restore_line(row: RestoreRow) -> str:
    source = f" from {row.name} ({row.place})" if row.name else ""
    rows = f", {row.points} rows" if row.points is not None else ""
    note = f" ({row.note})" if row.note else ""
    return f"{row.kind}: {row.outcome}{source}{rows}{note}"
