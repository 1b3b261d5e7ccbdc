"""Computes the digests of the cells' rows after the rows were restored from a snapshot or converted to another key.

A cell is a unit of a scan: one account, one region and one resource type. A row is a stored resource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.model import CellKey
from cloudops_nb.storage.encryption.sealed_data import is_authentic
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.estate.points import EstatePoints
from cloudops_nb.storage.estate.rows_digest import DIGESTED_FIELDS, RowsDigest, digests_by_cell

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.vault import Vault


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
        """Return the contents of cells that came with the rows; a digest that does not fit the rows becomes unknown.

        A scan that ran while the snapshot was taken may have written the record after the rows were read.
        """
        rows = self._store.rows(self._collection, EVERY_POINT, DIGESTED_FIELDS)
        found = digests_by_cell(self._vault.blind_index, rows)
        return [
            {**each, "rows": None}
            if _known(each) and each["rows"] != self._digest(found, each).stored()
            else dict(each)
            for each in contents
        ]

    def with_new_digests(
        self, contents: Collection[Mapping[str, Any]], altered: Collection[CellKey] = ()
    ) -> list[dict[str, Any]]:
        """Return the contents of cells, with digests of the rows in the collection; unknown digests stay unknown.

        Args:
            contents: The contents.
            altered: The cells whose rows were found altered before. Their digests are made to fit no rows, so that the
                alteration is still reported.
        """
        envelope = self._vault.envelope.with_own_alarm()
        rows = self._store.rows(self._collection, EVERY_POINT, AWS_ESTATE.sealed_fields)
        authentic = (row for row in rows if is_authentic(envelope, row, AWS_ESTATE))
        found = digests_by_cell(self._vault.blind_index, authentic)
        return [
            {**each, "rows": _unfitting(each) if _key(each) in altered else self._digest(found, each).stored()}
            if _known(each)
            else dict(each)
            for each in contents
        ]

    def _digest(self, found: Mapping[int, RowsDigest], content: Mapping[str, Any]) -> RowsDigest:
        return found.get(self._points.cell_number(_key(content)), RowsDigest())


def _known(content: Mapping[str, Any]) -> bool:
    return content.get("rows") is not None


def _key(content: Mapping[str, Any]) -> CellKey:
    return CellKey(**content["key"])


def _unfitting(content: Mapping[str, Any]) -> list[Any]:
    """Return a digest with the number of rows on record, and a total that no rows have (but for a chance of 2^-256)."""
    return RowsDigest(content["rows"][0], 1).stored()
