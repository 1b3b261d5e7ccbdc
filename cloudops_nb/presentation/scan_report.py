"""A scan report as sections: the summary, the cells that were not read completely, and the resources by type.

A cell is one resource type in one account and region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.presentation.section import Badge, Section, TableRow, Tone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.model import CellState
    from cloudops_nb.scanner.report import CellGroup, ScanReport

_ROWS_SHOWN = 20


def scan_sections(report: ScanReport) -> Iterator[Section]:
    """Yield the summary line, the refused accounts, the cells with failures or notes, and the most frequent types."""
    yield Section("scan", "Scan", lines=(report.summary, *report.advice))
    if report.refused:
        rows = [TableRow((each.name, each.reason), badges=(_state_badge(each.state),)) for each in report.refused]
        yield Section("refused", "Accounts not entered", head=("Account", "Why", "State"), rows=rows)
    if failures := report.grouped(report.failures):
        head = ("Where", "Why", "State")
        yield Section("failures", "Not read completely", head=head, rows=list(_group_rows(failures, Tone.CAUTION)))
    if notes := report.grouped([each for each in report.results if each.state.complete and each.detail]):
        head = ("Where", "What is missing", "State")
        yield Section("notes", "Read, with details missing", head=head, rows=list(_group_rows(notes, Tone.MUTED)))
    if report.counts("resource_type"):
        yield _types_section(report)


def _group_rows(groups: Sequence[CellGroup], tone: Tone) -> Iterator[TableRow]:
    for group in groups[:_ROWS_SHOWN]:
        badge = _state_badge(group.state, tone)
        yield TableRow((f"{group.account} {group.where}", group.detail), badges=(badge,))
    if len(groups) > _ROWS_SHOWN:
        yield TableRow((f"… and {len(groups) - _ROWS_SHOWN:,} more in .cells", "", ""), muted=True)


def _state_badge(state: CellState, tone: Tone = Tone.CAUTION) -> Badge:
    return Badge(state.value.replace("_", " "), tone)


def _types_section(report: ScanReport) -> Section:
    accounts = report.counts("account_id")
    facts = [(report.account_names.get(key, key), f"{count:,}") for key, count in accounts.items()]
    changes = report.changes()
    types = sorted(report.counts("resource_type").items(), key=lambda each: (-each[1], each[0]))
    width = 3 if changes else 2
    rows = [
        TableRow((name, f"{count:,}", _signed(changes.get(name, 0)))[:width]) for name, count in types[:_ROWS_SHOWN]
    ]
    if rest := types[_ROWS_SHOWN:]:
        total = sum(count for _, count in rest)
        rows.append(TableRow((f"… and {len(rest):,} more types in .cells", f"{total:,}", "")[:width], muted=True))
    head = ("Type", "Resources", "Change")[:width]
    return Section("found", "Resources by type", facts=facts if len(facts) > 1 else (), head=head, rows=rows)


def _signed(change: int) -> str:
    return f"{change:+,d}" if change else ""
