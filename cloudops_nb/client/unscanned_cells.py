"""The cells that no scan reads any more: their account, region or type is not in the configuration any longer.

Their resources stay in the store, because a change of the configuration says nothing about AWS. The state of such a
cell says so, and a person can remove its resources.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudops_nb.client.frames import rows_frame
from cloudops_nb.model import CellState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from cloudops_nb.model import CellKey, CellResult
    from cloudops_nb.storage.facade import StorageService

COLUMNS = ("account_id", "region", "resource_type", "resources", "last_scanned", "why")


def unscanned(
    known: Mapping[CellKey, CellResult], results: Mapping[CellKey, CellResult], *, every_account: bool
) -> list[CellResult]:
    """Return the results of the cells that a full scan of everything configured left out, with the reason.

    Args:
        known: The results of earlier scans.
        results: The results of the scan.
        every_account: Whether the scan knows the id of every configured account. If it does not, an account that it did
            not read may be configured.
    """
    accounts = {key.account_id for key in results}
    types = {key.resource_type for key in results}
    # The regions of an account that could not be read may be assumed ones.
    regions = {(key.account_id, key.region) for key in results}
    read = {key.account_id for key, result in results.items() if result.state.complete}
    found = []
    for key, result in known.items():
        if key in results:
            continue
        if key.account_id not in accounts:
            why = "the account is not configured any more" if every_account else ""
        elif key.account_id in read and (key.account_id, key.region) not in regions:
            why = "the region is not scanned any more"
        else:
            why = "" if key.resource_type in types else "the type is not scanned any more"
        if why:
            found.append(replace(result, state=CellState.NOT_CONFIGURED, detail=why))
    return found


def forget_unscanned(storage: StorageService, *, dry_run: bool) -> pd.DataFrame:
    """Remove the resources and the results of the cells that are not scanned any more; return one row for each cell.

    Args:
        storage: The store.
        dry_run: Whether to change nothing.
    """
    cells = [each for each in storage.scan_state.cells() if each.state is CellState.NOT_CONFIGURED]
    counts = storage.estate.rows_of(each.key for each in cells)
    if cells and not dry_run:
        storage.estate.forget_cells([each.key for each in cells])
        storage.flush()
    return rows_frame([_row(each, counts) for each in cells], COLUMNS)


def _row(cell: CellResult, counts: Mapping[CellKey, int]) -> dict[str, object]:
    key = cell.key
    return {
        "account_id": key.account_id,
        "region": key.region,
        "resource_type": key.resource_type,
        "resources": counts[key],
        "last_scanned": cell.started,
        "why": cell.detail,
    }


def advice(cells: Iterable[CellResult]) -> str:
    """Return a sentence for a scan's report: where resources are kept that no scan reads; empty if there are none."""
    counts: Counter[str] = Counter()
    for cell in cells:
        place = "" if cell.detail.startswith("the account") else f" {cell.key.region}"
        counts[f"{cell.key.account_id}{place}"] += cell.resources
    shown = [f"{place} ({count})" for place, count in sorted(counts.items()) if count]
    if not shown:
        return ""
    return f"Not scanned any more, but kept: {', '.join(shown)} resources. cloudops-nb forget-unscanned removes them."
