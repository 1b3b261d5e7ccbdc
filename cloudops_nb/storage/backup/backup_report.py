"""Results of backups, restores and listings, one row per snapshot, and the health of a store's backups."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from datetime import datetime

    from cloudops_nb.storage.schedule.schedule_status import ScheduleStatus


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """One snapshot: its size in bytes, its number of rows (``None`` if unknown), and whether each place has it.

    ``note`` holds a remark, or the reason why the snapshot was not taken, not uploaded or not readable.
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
    """The outcome of restoring one kind: ``replaced``, ``merged``, ``kept`` or ``failed``.

    ``place`` is where the snapshot was found, ``points`` is the number of rows afterwards, and ``note`` is a remark.
    """

    kind: str
    name: str
    place: str
    outcome: str
    points: int | None
    note: str = ""


@dataclass(frozen=True)
class BackupReport:
    """The rows of a backup, a listing or a restore, and one line per problem; without problems everything succeeded.

    ``warnings`` are failures of work that the caller did not ask for, such as the removal of old snapshots.
    """

    rows: tuple[SnapshotRow | RestoreRow, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that the caller asked for was done."""
        return not self.problems

    def table(self) -> list[dict[str, Any]]:
        """Return the rows as mappings with the same keys, for ``pandas.DataFrame``."""
        return [asdict(row) for row in self.rows]

    def __str__(self) -> str:
        lines = [_restore_line(row) if isinstance(row, RestoreRow) else _snapshot_line(row) for row in self.rows]
        lines += [f"Problem: {problem}" for problem in self.problems]
        return "\n".join([*lines, *(f"Warning: {warning}" for warning in self.warnings)])


class BackupHealth(TypedDict):
    """Whether S3 is configured and reachable (``None`` if not configured), the newest snapshots, and the schedule.

    ``newest`` maps each kind to the time of its newest snapshot, ``None`` if it has no snapshot.
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
