"""A backup report as sections: a table of the snapshots, and a table of the problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.presentation.mime_types import sections_bundle
from cloudops_nb.presentation.section import Badge, Section, TableRow, Tone, value_text
from cloudops_nb.presentation.status_tables import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.storage.backup.backup_report import BackupReport

_ROWS_SHOWN = 20
#: Columns that are not shown: the creation time is already in a snapshot's name.
_NOT_SHOWN = ("created",)
_HEADS = {"bytes": "Size", "points": "Rows", "local": "This disk", "s3": "S3", "place": "From"}
_EMPTY = "There is no snapshot."


def backup_bundle(report: BackupReport) -> dict[str, str]:
    """Return a report as a MIME bundle: the snapshots that were taken, listed or restored, and every problem."""
    return sections_bundle(backup_sections(report), label="Backup", text=str(report) or _EMPTY)


def backup_sections(report: BackupReport) -> Iterator[Section]:
    """Yield the table of snapshots, without the columns that are empty in every row; then any problems."""
    table = report.table()
    names = table[0] if table else ()
    columns = [name for name in names if name not in _NOT_SHOWN and any(row[name] for row in table)]
    rows = [TableRow([_snapshot_cell(name, row[name]) for name in columns]) for row in table[:_ROWS_SHOWN]]
    head = [_HEADS.get(name, name.capitalize()) for name in columns]
    yield Section("backup", "Backup", lines=() if table else (_EMPTY,), head=head, rows=rows)
    if report.problems:
        problems = [TableRow([problem], badges=(Badge("problem", Tone.CAUTION),)) for problem in report.problems]
        yield Section("problems", "Not done", rows=problems)


def _snapshot_cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    match name:
        case "bytes":
            return size_text(value)
        case "kind":
            return str(value).replace("_", " ")
        case _:
            return value_text(value) if isinstance(value, bool) else str(value)
