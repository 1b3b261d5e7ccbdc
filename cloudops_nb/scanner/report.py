"""The report of a scan, as tables: the resources that were found, and the cells that could not be read.

A cell is one resource type in one account and region.
"""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.error_states import is_not_offered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from cloudops_nb.model import CellKey, CellResult, CellState, RefusedAccount

_CELL_COLUMNS = (
    "account_id", "account_name", "region", "resource_type", "state", "resources", "change", "calls", "pages",
    "retries", "started", "duration", "detail",
)  # fmt: skip
#: The largest number of characters of a reason; longer ones are cut off, so that a table stays readable.
_LONGEST_REASON = 480
#: The largest number of account names in a sentence.
_NAMED_ACCOUNTS = 5


@dataclass(frozen=True, slots=True)
class CellGroup:
    """Cells of one account that ended in the same state for the same reason."""

    account: str
    state: CellState
    detail: str
    keys: Sequence[CellKey]

    @property
    def where(self) -> str:
        """The first cell and the number of further cells, for example ``eu-west-1/sqs_queue and 3 more cells``."""
        first = f"{self.keys[0].region}/{self.keys[0].resource_type}"
        more = len(self.keys) - 1
        return first if not more else f"{first} and {more} more cell{'s' if more > 1 else ''}"


@dataclass(frozen=True)
class ScanReport:
    """The report of one scan; prints as tables in a terminal and in a notebook.

    Args:
        scan_id: The scan's id.
        started: The time at which the scan started, in UTC.
        duration: The duration of the scan in seconds.
        results: One result per cell; cells that have not ended are ``pending`` or ``partial``.
        account_names: Account names by account id.
        previous: The number of resources in each cell before this scan, where known.
        unlabelled: Names of the scanned accounts whose environment is unknown.
        resources: Returns a table with one row per resource; called when :attr:`frame` is first read.
        refused: The accounts that could not be entered, and whose ids are unknown, so that they have no results.
        kept_advice: A sentence about resources that are kept although no scan reads them any more; empty if there are
            none.
    """

    scan_id: str
    started: datetime
    duration: float
    results: Sequence[CellResult]
    account_names: Mapping[str, str] = field(default_factory=dict)
    previous: Mapping[CellKey, int] = field(default_factory=dict)
    unlabelled: Sequence[str] = ()
    resources: Callable[[], pd.DataFrame] | None = field(default=None, repr=False, compare=False)
    refused: Sequence[RefusedAccount] = ()
    kept_advice: str = ""

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row per resource found, as in the store at the time when this property is first read."""
        import pandas as pd

        return pd.DataFrame() if self.resources is None else self.resources()

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell, and one for each account that could not be entered and whose id is unknown.

        ``change`` is the number of resources minus their number before this scan. It is missing if the earlier number
        is not known, or if this scan did not read the cell completely.
        """
        import pandas as pd

        rows = [*map(self._cell_row, self.results), *map(_refused_row, self.refused)]
        frame = pd.DataFrame(rows, columns=list(_CELL_COLUMNS))
        return frame.astype({"change": "Int64"})

    @property
    def complete(self) -> bool:
        """Whether all accounts were entered and all cells read, except cells whose region lacks the service."""
        return not self.failures and not self.refused

    @property
    def failures(self) -> Sequence[CellResult]:
        """The cells that were not read completely, although their region offers the service."""
        return [result for result in self.results if not result.state.complete and not is_not_offered(result)]

    @property
    def not_offered(self) -> Sequence[CellResult]:
        """The cells that were not read because botocore knows no endpoint for the service in the region."""
        return [result for result in self.results if is_not_offered(result)]

    def counts(self, by: str) -> dict[str, int]:
        """Return the number of resources for each ``resource_type``, ``account_id`` or ``region`` that has any."""
        found: Counter[str] = Counter()
        for result in self.results:
            found[getattr(result.key, by)] += result.resources
        return {name: count for name, count in sorted(found.items()) if count}

    def changes(self) -> dict[str, int]:
        """Return, for each resource type, by how much the number of resources changed; leaves out changes of zero.

        A cell counts only if this scan read it completely and its earlier number of resources is known.
        """
        changes: Counter[str] = Counter()
        for result in self.results:
            change = self._change(result)
            if change is not None:
                changes[result.key.resource_type] += change
        return {name: change for name, change in changes.items() if change}

    @property
    def advice(self) -> Sequence[str]:
        """Sentences for the reader that are no result of a cell."""
        return [each for each in (self.label_advice, self.kept_advice) if each]

    @property
    def label_advice(self) -> str:
        """A sentence that names the accounts without an environment; empty if there are none."""
        if not self.unlabelled:
            return ""
        more = len(self.unlabelled) - _NAMED_ACCOUNTS
        names = ", ".join(self.unlabelled[:_NAMED_ACCOUNTS]) + (f" and {more} more" if more > 0 else "")
        return f"The environment of these accounts is not known, so they count as production: {names}."

    def __str__(self) -> str:
        lines = [self.summary, *self.advice]
        tables = [*lines, *(_text_table(title, rows) for title, rows in self._tables() if rows)]
        return "\n\n".join(tables)

    def _repr_html_(self) -> str:
        tables = "".join(_html_table(title, rows) for title, rows in self._tables() if rows)
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in (self.summary, *self.advice))
        return f"<div>{lines}{tables}</div>"

    @property
    def summary(self) -> str:
        """The result of the scan in one line."""
        found = sum(result.resources for result in self.results)
        done = sum(result.state.complete for result in self.results)
        calls, retries = (sum(getattr(result, name) for result in self.results) for name in ("calls", "retries"))
        absent = len(self.not_offered)
        not_offered = f" ({absent} more not offered in their region)" if absent else ""
        change = self._total_change()
        return (
            f"{found} resources{change} in {done} of {len(self.results) - absent} cells read completely{not_offered}, "
            f"{calls} calls, {retries} retries, {self.duration:.1f} s"
        )

    def _total_change(self) -> str:
        change = sum(self.changes().values())
        return f" ({change:+d} since the previous scan)" if change else ""

    def _change(self, result: CellResult) -> int | None:
        # In an incomplete cell, the scan saw only some of the resources, so a difference would mislead.
        before = self.previous.get(result.key) if result.state.complete else None
        return None if before is None else result.resources - before

    def _cell_row(self, result: CellResult) -> dict[str, Any]:
        return {
            "account_id": result.key.account_id,
            "account_name": self.account_names.get(result.key.account_id, ""),
            "region": result.key.region,
            "resource_type": result.key.resource_type,
            "state": result.state.value,
            "resources": result.resources,
            "change": self._change(result),
            "calls": result.calls,
            "pages": result.pages,
            "retries": result.retries,
            "started": result.started,
            "duration": result.duration,
            "detail": result.detail,
        }

    def _tables(self) -> list[tuple[str, list[tuple[str, ...]]]]:
        names = self.account_names
        with_notes = [each for each in self.results if each.state.complete and each.detail]
        accounts = {names.get(key, key): count for key, count in self.counts("account_id").items()}
        return [
            ("type", _count_rows(self.counts("resource_type"))),
            ("account", _count_rows(accounts)),
            ("region", _count_rows(self.counts("region"))),
            ("not entered", [(each.name, each.state.value, each.reason) for each in self.refused]),
            ("not read", _group_rows(self.grouped(self.failures))),
            ("read, with notes", _group_rows(self.grouped(with_notes))),
        ]

    def grouped(self, results: Sequence[CellResult]) -> list[CellGroup]:
        """Return groups of cells with the same account, state and reason, in the order of each group's first result."""
        groups: dict[tuple[str, CellState, str], list[CellKey]] = {}
        for result in results:
            name = self.account_names.get(result.key.account_id, result.key.account_id)
            groups.setdefault((name, result.state, result.detail), []).append(result.key)
        return [
            CellGroup(name, state, detail[:_LONGEST_REASON], tuple(keys))
            for (name, state, detail), keys in groups.items()
        ]


def _refused_row(account: RefusedAccount) -> dict[str, Any]:
    row = {"account_name": account.name, "state": account.state.value, "resources": 0, "detail": account.reason}
    return {**dict.fromkeys(("account_id", "region", "resource_type"), ""), "calls": 0, "pages": 0, "retries": 0, **row}


def _group_rows(groups: Sequence[CellGroup]) -> list[tuple[str, ...]]:
    return [(f"{group.account} {group.where}", group.state.value, group.detail) for group in groups]


def _count_rows(counts: Mapping[str, int]) -> list[tuple[str, ...]]:
    return [(name, str(count)) for name, count in counts.items()]


def _text_table(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[0] = max(widths[0], len(title))
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([title, "-" * len(title), *lines])


def _html_table(title: str, rows: Sequence[tuple[str, ...]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{html.escape(title)}</caption>{body}</table>"
