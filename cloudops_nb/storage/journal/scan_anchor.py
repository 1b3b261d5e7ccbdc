"""The scan state's turn in the journal: it shows that the scan state was replaced by an older copy.

A turn is a number that each write to the scan state raises. The record of the end of a scan has the turn of that time.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Final

from cloudops_nb.storage.encryption.sealed_data import readable
from cloudops_nb.storage.journal.journal import COLLECTION

if TYPE_CHECKING:
    from cloudops_nb.storage.journal.journal import Journal
    from cloudops_nb.storage.vault import Vault

#: The kind of the record of a scan's end, and the field of its body with the scan state's turn.
SCAN_ENDED: Final = "scan_ended"
TURN: Final = "scan_state_turn"
#: The number of records that are looked at: records of earlier versions of the package have no turn.
_NEWEST: Final = 8
# An index could hide a record: the chain does not cover the indexes. Scans end so often that few records are passed.
_END = "SELECT sequence, mac FROM records NOT INDEXED WHERE kind = ? ORDER BY sequence DESC LIMIT 1"
_ENDS = """
SELECT sequence, CAST(envelope AS BLOB) FROM records NOT INDEXED WHERE kind = ? ORDER BY sequence DESC LIMIT ?
"""


class ScanAnchor:
    """Reads the turn in the journal; to be used inside a transaction of the journal's database."""

    def __init__(self, journal: Journal, vault: Vault) -> None:
        self._kind = journal.blind("kind", SCAN_ENDED)
        # A separate object: the verification of the journal reports a damaged record.
        self._envelope = vault.envelope.with_own_alarm()
        self._read: tuple[object, int] = (None, 0)

    def __call__(self, connection: sqlite3.Connection) -> int:
        """Return the turn in the newest record of a scan's end that has one; 0 if there is none that can be read."""
        try:
            newest = connection.execute(_END, (self._kind,)).fetchone()
            if newest is None:
                return 0
            if self._read[0] != newest:
                self._read = (newest, self._newest_turn(connection))
            return self._read[1]
        except sqlite3.DatabaseError:  # whatever else reads the journal reports it
            return 0

    def _newest_turn(self, connection: sqlite3.Connection) -> int:
        rows = connection.execute(_ENDS, (self._kind, _NEWEST)).fetchall()
        contents = readable(rows, lambda row: json.loads(self._decrypted(*row)))
        turns = (each["body"].get(TURN, 0) for each in contents if each["kind"] == SCAN_ENDED)
        return next(filter(None, turns), 0)

    def _decrypted(self, sequence: int, sealed: bytes) -> bytes:
        return self._envelope.open(sealed, collection=COLLECTION, point_id=str(sequence), retired=True)
