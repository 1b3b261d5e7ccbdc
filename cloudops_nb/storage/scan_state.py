"""The scan state: how each cell ended last, encrypted, beside the journal."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING

from cloudops_nb.model import CellKey, CellResult, CellState

if TYPE_CHECKING:
    from cloudops_nb.storage.database import Database
    from cloudops_nb.storage.vault import Vault

_COLLECTION = "scan_state"


class ScanState:
    """The latest result of every cell; safe from several threads and processes, the last writer of a cell wins.

    What :meth:`put` wrote survives the death of every process; a power cut may take back the last few results, and the
    next scan makes them anew.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._envelope = vault.envelope
        self._blind = vault.blind_index.blind

    def cells(self) -> list[CellResult]:
        """Return every cell's latest result, ordered by account, region and resource type.

        Raises:
            DecryptionError: A result was altered, or moved from another cell.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT cell, CAST(envelope AS BLOB) FROM cells").fetchall()
        results = [self._opened(cell, sealed) for cell, sealed in rows]
        return sorted(results, key=lambda result: str(result.key))

    def get(self, key: CellKey) -> CellResult | None:
        """Return a cell's latest result, ``None`` if it was never scanned.

        Raises:
            DecryptionError: The result was altered, or moved from another cell.
        """
        cell = self._cell(key)
        with self._database.reading() as connection:
            row = connection.execute("SELECT CAST(envelope AS BLOB) FROM cells WHERE cell = ?", (cell,)).fetchone()
        return self._opened(cell, row[0]) if row else None

    def put(self, result: CellResult, scan_id: str = "") -> None:
        """Keep a cell's result, in place of an earlier one; ``scan_id`` names the scan it comes from."""
        cell = self._cell(result.key)
        content = {**asdict(result), "started": result.started.isoformat(), "scan_id": scan_id}
        sealed = self._envelope.seal(json.dumps(content).encode(), collection=_COLLECTION, point_id=cell)
        with self._database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO cells VALUES (?, ?)", (cell, sealed))

    def _cell(self, key: CellKey) -> str:
        return self._blind("scan_state.cell", str(key))

    def _opened(self, cell: str, sealed: bytes) -> CellResult:
        content = json.loads(self._envelope.open(sealed, collection=_COLLECTION, point_id=cell))
        known = {field.name: content[field.name] for field in fields(CellResult)}
        known["key"] = CellKey(**content["key"])
        known["state"] = CellState(content["state"])
        known["started"] = datetime.fromisoformat(content["started"])
        return CellResult(**known)
