"""Digests of the stored rows of a cell: they show whether a row was added or removed, or its bound fields altered.

A digest is computed from the rows' point ids, blind values (keyed hashes of fields) and content hashes, so computing it
needs the store's key and decrypts nothing. The digest of a set of rows is the sum of the checksums of its rows, so it
does not depend on their order. It does not cover the rows' envelopes: decryption finds an altered envelope.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from cloudops_nb.storage.encryption.sealed_data import packed_list
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.estate.fields import MARKS, field_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloudops_nb.storage.encryption.blind_index import BlindIndex
    from cloudops_nb.storage.engines.vector_store import StoredRow

_MODULUS: Final = 1 << 256
#: The payload fields that a digest covers.
DIGESTED_FIELDS = AWS_ESTATE.bound


@dataclass(frozen=True, slots=True)
class RowsDigest:
    """The number of rows in a set, and the sum of their checksums mod 2^256."""

    rows: int = 0
    total: int = 0

    @classmethod
    def of(cls, checksums: Iterable[int]) -> Self:
        """Return the digest of the rows with these checksums."""
        listed = list(checksums)
        return cls(len(listed), sum(listed) % _MODULUS)

    def __add__(self, other: RowsDigest) -> RowsDigest:
        return RowsDigest(self.rows + other.rows, (self.total + other.total) % _MODULUS)

    def stored(self) -> list[Any]:
        """Return the digest as JSON values: the number of rows, and the total as hexadecimal digits."""
        return [self.rows, f"{self.total:x}"]

    @classmethod
    def from_stored(cls, stored: list[Any]) -> Self:
        """Return the digest for the result of :meth:`stored`."""
        rows, total = stored
        return cls(rows, int(total, 16))


def row_checksum(blind_index: BlindIndex, point_id: str, payload: Mapping[str, Any]) -> int:
    """Return a row's checksum; the payload has at least the fields that :data:`DIGESTED_FIELDS` names."""
    return blind_index.checksum(packed_list([point_id, *(payload.get(name) for name in DIGESTED_FIELDS)]))


def digests_by_cell(blind_index: BlindIndex, rows: Iterable[StoredRow]) -> dict[int, RowsDigest]:
    """Return the digest of the rows of each cell, by the number that represents the cell in its rows.

    A row without such a number, which was altered, counts under 0.
    """
    checksums: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        checksums[_cell_number(row.payload)].append(row_checksum(blind_index, row.id, row.payload))
    return {number: RowsDigest.of(listed) for number, listed in checksums.items()}


def _cell_number(payload: Mapping[str, Any]) -> int:
    marks = payload.get(MARKS)
    return next((each for each in marks if field_of(each) == "cell"), 0) if isinstance(marks, list) else 0
