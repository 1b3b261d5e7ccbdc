"""Compares the stored rows of every cell with the digests in the scan state, without decrypting a row.

A cell is a unit of a scan: one account, one region and one resource type. A row is a stored resource. The check finds
rows that were removed or altered, and a collection that was replaced by an older copy of it. It also finds a scan state
that was altered, so that its digests prove nothing, and lets the engine mend indexes that hide rows from look-ups.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from cloudops_nb.errors import StoreCorruptedError
from cloudops_nb.model import CellKey, CellState
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.estate.rows_digest import DIGESTED_FIELDS, RowsDigest, digests_by_cell

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cloudops_nb.storage.engines.vector_store import PointFilter, VectorStore
    from cloudops_nb.storage.estate.cell_records import CellRecord, CellRecords
    from cloudops_nb.storage.estate.points import EstatePoints
    from cloudops_nb.storage.scan_state import ScanState
    from cloudops_nb.storage.vault import Vault

#: How often the check compares at most, if cells change during the check.
_ATTEMPTS: Final = 3
_SHOWN_CELLS: Final = 3
_HEAL: Final = "scan these cells to write their rows again"


@dataclass(frozen=True, slots=True)
class AlteredCell:
    """A cell whose rows differ from the scan state: the number of rows that a scan wrote, and of those found now."""

    key: CellKey
    written: int
    found: int

    def __str__(self) -> str:
        place = f"{self.key.resource_type} in {self.key.account_id} {self.key.region}"
        if self.found < self.written:
            return f"{place}: {self.written - self.found} of {self.written} rows are missing"
        return f"{place}: {self.found} rows, altered"


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """The result of a check of the estate's rows.

    Attributes:
        verified: The number of cells whose rows are those that a scan wrote, with the same bound fields.
        altered: The cells whose rows differ.
        unfinished: The cells whose rows are unknown, because a scan failed, was interrupted or is running, because a
            restore brought other rows, or because the cell changed during the check.
        unrecorded: The cells that no scan has written since the store was upgraded, so that their digest is unknown.
        strays: The number of rows that belong to no cell of the scan state.
        scan_state: How the scan state itself was altered: records were removed, added or changed, or an older copy was
            put back. Empty if it was not.
        damaged_indexes: The indexed fields by which searches may have left out rows until this check, which rebuilt the
            indexes.
    """

    verified: int
    altered: Sequence[AlteredCell]
    unfinished: Sequence[CellKey]
    unrecorded: Sequence[CellKey]
    strays: int
    scan_state: str = ""
    damaged_indexes: Sequence[str] = ()

    def warnings(self) -> list[str]:
        """Return a line for each kind of difference."""
        found = []
        if self.scan_state:
            found.append(f"the scan state was altered: {self.scan_state}; run a full scan, or restore a backup")
        if self.altered:
            found.append(f"the estate was altered, or is older than the scan state: {_shown(self.altered)}; {_HEAL}")
        if self.strays:
            found.append(f"{self.strays} rows of the estate belong to no scanned cell; run a full scan")
        if self.damaged_indexes:
            found.append(f"{_damage(self.damaged_indexes)}; repeat earlier searches")
        return found


class EstateIntegrity:
    """Checks the estate's rows; safe to share between threads, and with other programs that scan at the same time."""

    def __init__(
        self, store: VectorStore, points: EstatePoints, vault: Vault, records: CellRecords, state: ScanState
    ) -> None:
        self._store = store
        self._state = state
        self._points = points
        self._blind_index = vault.blind_index
        self._records = records
        self._lock = threading.Lock()
        self._latest: tuple[int, IntegrityReport] | None = None

    def check(self, *, again: bool = True) -> IntegrityReport:
        """Check every cell, which reads the bound fields of every row.

        Args:
            again: If false, return the latest report if the engine has not written to the estate since, and the scan
                state is altered in the same way or not at all.

        Raises:
            StorageError: The store fails.
        """
        with self._lock:
            damaged = self.mend_indexes()
            generation = self._store.generation(AWS_ESTATE.name)
            if not again and not damaged and self._latest and self._latest[0] == generation:
                latest = self._latest[1]
                if latest.scan_state == self._state.alteration():
                    return latest
            report = replace(self._checked(), scan_state=self._state.alteration())
            self._latest = (generation, report)
            return replace(report, damaged_indexes=damaged) if damaged else report

    def mend_indexes(self) -> Sequence[str]:
        """Rebuild the estate's rows if an index does not fit them; returns the fields of such indexes.

        Call it before a change is planned from resources that are looked up. The engine compares rows and indexes once
        after it has opened them; later calls take no time.
        """
        return self._store.mend_indexes(AWS_ESTATE.name)

    def trust_scan(self, scan_id: str) -> None:
        """Accept an altered scan state after a complete scan of everything that is configured.

        The digests that the scan did not write become unknown, because the alteration may be in them. Those that do not
        fit the rows stay, so that the difference is still reported.
        """
        if self._state.alteration():
            altered = {cell.key for cell in self._checked().altered}
            self._state.trust(lambda content: _without_other_digest(content, scan_id, altered))

    def _checked(self) -> IntegrityReport:
        before = self._records.all()
        found = self._digests(EVERY_POINT)
        changed: set[CellKey] = set()
        for attempt in range(_ATTEMPTS):
            after = self._records.all()
            # The record of a cell that a scan has just begun or finished may fit other rows than those read.
            changed = {key for key in {*before, *after} if _turn(before, key) != _turn(after, key)}
            if not changed or attempt == _ATTEMPTS - 1:
                break
            again = self._digests(self._points.in_cells(list(changed)))
            found |= {number: again.get(number, RowsDigest()) for number in map(self._points.cell_number, changed)}
            before = after
        return self._report(after, found, changed)

    def _digests(self, where: PointFilter) -> dict[int, RowsDigest]:
        """Return the digest of the rows of each cell, by the number that represents the cell."""
        return digests_by_cell(self._blind_index, self._store.rows(AWS_ESTATE.name, where, DIGESTED_FIELDS))

    def _report(
        self, records: Mapping[CellKey, CellRecord], found: dict[int, RowsDigest], changed: set[CellKey]
    ) -> IntegrityReport:
        verified = 0
        altered: list[AlteredCell] = []
        unfinished: list[CellKey] = []
        unrecorded: list[CellKey] = []
        for key, record in sorted(records.items(), key=lambda pair: str(pair[0])):
            digest = found.pop(self._points.cell_number(key), RowsDigest())
            if key in changed or record.writers or (record.rows is None and record.turn):
                unfinished.append(key)
            elif record.rows is None:
                unrecorded.append(key)
            elif record.rows == digest:
                verified += 1
            else:
                altered.append(AlteredCell(key, record.rows.rows, digest.rows))
        strays = sum(digest.rows for digest in found.values())
        return IntegrityReport(verified, altered, unfinished, unrecorded, strays)


def _turn(records: Mapping[CellKey, CellRecord], key: CellKey) -> int:
    return records[key].turn if key in records else 0


def _without_other_digest(
    content: Mapping[str, Any], scan_id: str, altered: Collection[CellKey]
) -> dict[str, Any] | None:
    """Return a record without its digest; ``None`` if it has none, or if the digest is to stay."""
    if content.get("rows") is None or CellKey(**content["key"]) in altered:
        return None
    read = content["scan_id"] == scan_id and CellState(content["state"]).complete
    return None if read else {**content, "rows": None}


def require_unaltered(report: IntegrityReport) -> None:
    """Refuse a change that would be planned from altered rows.

    Raises:
        StoreCorruptedError: A cell's rows differ from those that a scan wrote, the scan state was altered, or an index
            was damaged, so that a look-up may have left out a row.
    """
    if report.scan_state:
        why = f"the scan state was altered, {report.scan_state}"
        raise StoreCorruptedError("no change is planned", why, "Run a full scan, or restore a backup.")
    if report.damaged_indexes:
        raise StoreCorruptedError("no change is planned", _damage(report.damaged_indexes), "Try again.")
    if report.altered:
        why = f"the estate was altered, or is older than the scan state: {_shown(report.altered)}"
        raise StoreCorruptedError("no change is planned", why, "Scan these cells again, or restore a backup.")


def _damage(fields: Sequence[str]) -> str:
    return f"the index of {', '.join(fields)} was damaged, so searches may have left out resources"


def _shown(altered: Sequence[AlteredCell]) -> str:
    more = len(altered) - _SHOWN_CELLS
    return "; ".join(map(str, altered[:_SHOWN_CELLS])) + (f"; and {more} more cells" if more > 0 else "")
