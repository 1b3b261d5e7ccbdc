"""The seal of the scan state: it shows that records were removed, added or changed, or put back from an older copy.

The seal is one more row of the table ``cells``, encrypted as the records are. It has the number of records, the sum of
their checksums mod 2^256, and a turn, which is a number that each write to the table raises. A checksum is a keyed hash
of a record's name and envelope. Each write transaction changes the seal together with the records. The newest turn is
also in the journal, so that an older copy of the whole table shows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from cloudops_nb.errors import DecryptionError
from cloudops_nb.storage.encryption.sealed_data import packed_list

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from cloudops_nb.storage.vault import Vault

#: The seal's envelope is bound to this name in place of the records' collection, so that no record can replace it.
_SEAL: Final = "scan_state.seal"
_MODULUS: Final = 1 << 256
_ONE_ROW = "SELECT CAST(envelope AS BLOB) FROM cells WHERE cell = ?"
_EVERY_ROW = "SELECT cell, CAST(envelope AS BLOB) FROM cells"
#: A row's name, which is a keyed hash, and its envelope.
SealedRow = tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Seal:
    """The number of records, the sum of their checksums mod 2^256, and the turn of the latest write."""

    count: int
    total: int
    turn: int

    def broken(self) -> Seal:
        """Return a seal that fits no records (but for a chance of 2^-256), so that an alteration is still reported."""
        return replace(self, total=(self.total + 1) % _MODULUS)


class ScanSeal:
    """Computes, encrypts and checks seals; safe to share between threads."""

    def __init__(self, vault: Vault) -> None:
        self._blind_index = vault.blind_index
        # A separate object, so that a damaged seal, which every write meets, does not count in the store's alarm.
        self._envelope = vault.envelope.with_own_alarm()
        #: The name of the seal's row.
        self.name = vault.blind_index.blind(_SEAL, "")

    def records(self, rows: Iterable[SealedRow]) -> list[SealedRow]:
        """Return the rows of the table without the seal."""
        return [row for row in rows if row[0] != self.name]

    def of(self, rows: Iterable[SealedRow], turn: int) -> Seal:
        """Return the seal of the records among rows."""
        checksums = [self.checksum(*row) for row in self.records(rows)]
        return Seal(len(checksums), sum(checksums) % _MODULUS, turn)

    def checksum(self, name: str, envelope: bytes) -> int:
        """Return a record's checksum."""
        return self._blind_index.checksum(packed_list([name, envelope]))

    def encrypted(self, seal: Seal) -> SealedRow:
        """Return the row that holds a seal."""
        content = json.dumps(asdict(seal)).encode()
        return self.name, self._envelope.seal(content, collection=_SEAL, point_id=self.name)

    def decrypted(self, envelope: bytes | None, *, retired: bool = False) -> Seal | None:
        """Return the seal in an envelope; ``None`` if there is none.

        Raises:
            DecryptionError: The envelope was altered, or its data key was retired and ``retired`` is false.
        """
        if envelope is None:
            return None
        return Seal(**json.loads(self._envelope.open(envelope, collection=_SEAL, point_id=self.name, retired=retired)))

    def difference(self, rows: Sequence[SealedRow], least: int = 0, *, retired: bool = False) -> str:
        """Return how rows differ from the seal among them, in a few words; empty if they fit, or if none was written.

        Args:
            rows: All rows of the table.
            least: The turn that the seal has at least; 0 if no turn is known.
            retired: Whether the seal's data key may be a retired one, as in a snapshot.
        """
        try:
            seal = self.decrypted(
                next((envelope for name, envelope in rows if name == self.name), None), retired=retired
            )
        except DecryptionError:
            return "its seal cannot be decrypted"
        if seal is None:
            return "its seal is missing" if least else ""
        found = self.of(rows, seal.turn)
        if found.count < seal.count:
            return f"{seal.count - found.count} of {seal.count} records are missing"
        if found.count > seal.count:
            return f"{found.count - seal.count} records were added"
        if found != seal:
            return "records were changed"
        return "it is older than the journal" if seal.turn < least else ""


class SealedChange:
    """The changes of one write transaction to the table ``cells``, which also change the seal.

    Args:
        connection: The connection, in a write transaction.
        seal: Computes the seal.
        least: The turn that the seal has at least; 0 if no turn is known.
    """

    def __init__(self, connection: sqlite3.Connection, seal: ScanSeal, least: int) -> None:
        self._connection = connection
        self._seal = seal
        self._least = least
        #: The seal's turn after :meth:`write`.
        self.turn = least
        self._old: dict[str, bytes | None] = {}
        self._new: dict[str, bytes | None] = {}

    def rows(self) -> list[SealedRow]:
        """Return all records as they were before the changes."""
        return self._seal.records(self._connection.execute(_EVERY_ROW))

    def envelope(self, name: str) -> bytes | None:
        """Return a record's envelope as it was before the changes; ``None`` if there was no record."""
        if name not in self._old:
            row = self._connection.execute(_ONE_ROW, (name,)).fetchone()
            self._old[name] = row[0] if row else None
        return self._old[name]

    def put(self, name: str, envelope: bytes) -> None:
        """Write a record."""
        self._new[name] = envelope

    def remove(self, name: str) -> None:
        """Remove a record, if there is one."""
        self._new[name] = None

    def write(self, *, recompute: bool = False, keep: bool = False) -> None:
        """Write the changes and the seal.

        Args:
            recompute: Whether to compute the seal from all records, so that an alteration from before counts no more.
            keep: Whether to write the seal although nothing was changed, for example under a new data key.
        """
        if not self._new and not recompute and not keep:
            return
        before = self._present()
        written = [(name, envelope) for name, envelope in self._new.items() if envelope is not None]
        removed = [(name,) for name, envelope in self._new.items() if envelope is None]
        replaced = [(name, old) for name in self._new if (old := self.envelope(name)) is not None]
        self._connection.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?)", written)
        self._connection.executemany("DELETE FROM cells WHERE cell = ?", removed)
        if recompute:
            after = self._seal.of(self._connection.execute(_EVERY_ROW), before.turn + 1)
        else:
            less, more = self._seal.of(replaced, 0), self._seal.of(written, 0)
            total = (before.total - less.total + more.total) % _MODULUS
            after = Seal(before.count - less.count + more.count, total, before.turn + 1)
        self._connection.execute("INSERT OR REPLACE INTO cells VALUES (?, ?)", self._seal.encrypted(after))
        self.turn = after.turn

    def _present(self) -> Seal:
        """Return the seal as it was before the changes; a broken one if it was altered or is older than it may be."""
        try:
            seal = self._seal.decrypted(self.envelope(self._seal.name))
            intact = (seal.turn if seal else 0) >= self._least
        except DecryptionError:
            seal, intact = None, False
        if seal is None:
            seal = self._seal.of(self.rows(), 0)
        return seal if intact else replace(seal.broken(), turn=max(seal.turn, self._least))


def sealed_rows(vault: Vault, records: Sequence[SealedRow], *, turn: int, altered: bool) -> list[SealedRow]:
    """Return the rows of a new table: the records and their seal.

    Args:
        vault: The keys of the table.
        records: The records.
        turn: The seal's turn.
        altered: Whether the scan state that the records come from was altered; the new one then counts as altered, too.
    """
    seal = ScanSeal(vault)
    fitting = seal.of(records, turn)
    return [*records, seal.encrypted(fitting.broken() if altered else fitting)]
