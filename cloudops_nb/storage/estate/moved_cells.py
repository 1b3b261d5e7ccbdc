"""Computes the digests of the cells' rows after the rows were restored from a snapshot or converted to another key.

A cell is a unit of a scan: one account, one region and one resource type. A row is a stored resource.

A cell that was altered when a snapshot was taken is marked in the snapshot. After a restore it is still altered, unless
its rows are those that a scan wrote. Without the mark, nothing would distinguish it from a cell that a scan was writing
at that time, whose rows do not fit its record either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cloudops_nb.model import CellKey
from cloudops_nb.storage.encryption.sealed_data import is_authentic
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.estate.points import EstatePoints
from cloudops_nb.storage.estate.rows_digest import DIGESTED_FIELDS, RowsDigest, digests_by_cell

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.vault import Vault

#: The entry that marks an altered cell in a snapshot. The scan state never has it.
_MARK: Final = "altered"


def marked(contents: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return marked contents of altered cells for a snapshot, without the cells that a scan has begun since."""
    return [{**each, _MARK: True} for each in contents if _known(each) and not each.get("writers")]


def marked_keys(contents: Iterable[Mapping[str, Any]]) -> set[CellKey]:
    """Return the keys of the cells that are marked in a snapshot's contents."""
    return {_key(each) for each in contents if each.get(_MARK)}


class MovedCells:
    """Computes the digests in cells' records from the rows in a collection.

    Args:
        store: The vector store.
        collection: The collection with the rows, such as the staged one.
        vault: The keys of the rows.
    """

    def __init__(self, store: VectorStore, collection: str, vault: Vault) -> None:
        self._store, self._collection, self._vault = store, collection, vault
        self._points = EstatePoints(vault)

    def with_fitting_digests(self, contents: Collection[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the contents of cells that came with the rows from a snapshot.

        A digest that does not fit the rows becomes unknown, because a scan that ran while the snapshot was taken may
        have written the record after the rows were read. If the cell is marked, the digest is made to fit no rows, so
        that the alteration is still reported. The digests of a snapshot under an earlier master key fit no rows.
        """
        rows = self._store.rows(self._collection, EVERY_POINT, DIGESTED_FIELDS)
        found = digests_by_cell(self._vault.blind_index, rows)
        fitting = []
        for each in contents:
            digest = self._digest(found, each)
            if not _known(each) or _fits(each, digest):
                fitting.append(_unmarked(each))
            elif each.get(_MARK):
                fitting.append(_unfitting(each, digest))
            else:
                fitting.append({**each, "rows": None})
        return fitting

    def with_new_digests(
        self, contents: Collection[Mapping[str, Any]], altered: Collection[CellKey] = ()
    ) -> list[dict[str, Any]]:
        """Return the contents of cells, with digests of the rows in the collection; unknown digests stay unknown.

        Args:
            contents: The contents. In a merge, they are those of the newer of two scans of a cell.
            altered: The cells whose rows were altered before, in the store or in the snapshot that is merged into it.
                Their digests are made to fit no rows, so that the alteration is still reported. But if the rows fit the
                digest on record, they are exactly those that the newer scan wrote: the merge has added no altered row,
                and has put the missing ones back.
        """
        envelope = self._vault.envelope.with_own_alarm()
        rows = self._store.rows(self._collection, EVERY_POINT, AWS_ESTATE.sealed_fields)
        authentic = (row for row in rows if is_authentic(envelope, row, AWS_ESTATE))
        found = digests_by_cell(self._vault.blind_index, authentic)
        renewed = []
        for each in contents:
            digest = self._digest(found, each)
            if _key(each) in altered and not _fits(each, digest):
                renewed.append(_unfitting(each, digest))
            else:
                rows_now = {"rows": digest.stored()} if _known(each) else {}
                renewed.append({**_unmarked(each), **rows_now})
        return renewed

    def _digest(self, found: Mapping[int, RowsDigest], content: Mapping[str, Any]) -> RowsDigest:
        return found.get(self._points.cell_number(_key(content)), RowsDigest())


def _known(content: Mapping[str, Any]) -> bool:
    return content.get("rows") is not None


def _fits(content: Mapping[str, Any], digest: RowsDigest) -> bool:
    return bool(content.get("rows") == digest.stored())


def _key(content: Mapping[str, Any]) -> CellKey:
    return CellKey(**content["key"])


def _unmarked(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != _MARK}


def _unfitting(content: Mapping[str, Any], found: RowsDigest) -> dict[str, Any]:
    """Return a cell's content with a total that no rows have (but for a chance of 2^-256).

    The number of rows is the one on record, or the one found if none is on record. No scan runs while rows are moved,
    so an entry of a writer is that of a killed scan, and must not make the cell count as unfinished.
    """
    rows = content["rows"][0] if _known(content) else found.rows
    return {**_unmarked(content), "rows": RowsDigest(rows, 1).stored(), "writers": []}
