"""Damages the engine's indexes in a store's files, so that a filter misses a row that is still listed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.estate.points import EstatePoints
from cloudops_nb.storage.files.store_file import SHARDS_NAME
from tests.storage.conftest import ended_owners

if TYPE_CHECKING:
    from cloudops_nb.model import CellKey
    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.facade import StorageService


def hide_name(storage: StorageService, name: str) -> None:
    """Hide one of the rows with a name."""
    number = EstatePoints(storage.vault).blind("name", name)
    replace_in_index(storage, AWS_ESTATE, "marks", struct.pack("<q", number), struct.pack("<q", number ^ 1), rows=1)


def hide_cell(storage: StorageService, key: CellKey) -> None:
    """Hide every row of a cell from filters by cell."""
    number = EstatePoints(storage.vault).cell_number(key)
    replace_in_index(storage, AWS_ESTATE, "marks", struct.pack("<q", number), struct.pack("<q", number ^ 1))


def replace_in_index(
    storage: StorageService, collection: Collection, field: str, before: bytes, after: bytes, *, rows: int = -1
) -> None:
    """Replace a value in the index of a field, for some rows; the store is closed, and opens at its next use."""
    data_path = storage.vault.data_path
    storage.close()
    with ended_owners(data_path.parent):
        pass
    shard = data_path / SHARDS_NAME / collection.name
    (path,) = shard.glob(f"segments/*/payload_index/*-{field}-map/page_0.dat")
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after, rows))
