"""What was backed up, restored or listed, kind by kind, ready for a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A snapshot, wherever it is: its size in bytes, its rows (``None`` if not known), and in which places it lies.

    ``note`` says what is worth knowing about it, or what kept it from being made or uploaded.
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
    """How the restore of a kind went: ``replaced``, ``merged``, ``kept`` or ``failed``, from where, and why."""

    kind: str
    name: str
    place: str
    outcome: str
    points: int | None
    note: str = ""


@dataclass(frozen=True)
class BackupReport:
    """Rows of one sort, and one line for everything that went wrong; nothing went wrong where there is none.

    ``warnings`` say what was asked for by nobody and could not be done, such as the removal of old snapshots.
    """

    rows: tuple[SnapshotRow | RestoreRow, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that was asked for was done."""
        return not self.problems

    def table(self) -> list[dict[str, Any]]:
        """Return the rows as mappings with the same keys, as ``pandas.DataFrame`` takes them."""
        return [asdict(row) for row in self.rows]

    def __str__(self) -> str:
        lines = [_restored(row) if isinstance(row, RestoreRow) else _kept(row) for row in self.rows]
        lines += [f"Problem: {problem}" for problem in self.problems]
        return "\n".join([*lines, *(f"Warning: {warning}" for warning in self.warnings)])


def _kept(row: SnapshotRow) -> str:
    places = " and ".join(name for name, there in (("on this disk", row.local), ("in S3", row.s3)) if there)
    if not places:
        return f"{row.kind}: no snapshot"
    size = f"{row.points if row.points is not None else 'unknown'} rows, {(row.bytes or 0) / 1e6:.1f} MB"
    note = f" ({row.note})" if row.note else ""
    return f"{row.kind}: {row.name} {places}, {size}{note}"


def _restored(row: RestoreRow) -> str:
    source = f" from {row.name} ({row.place})" if row.name else ""
    rows = f", {row.points} rows" if row.points is not None else ""
    note = f" ({row.note})" if row.note else ""
    return f"{row.kind}: {row.outcome}{source}{rows}{note}"
