"""Rows that do not open stand in the way of new keys until a person lets them go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import DecryptionError
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Patch
from cloudops_nb.storage.maintenance.data_key_rotation import rotate_data_key
from cloudops_nb.storage.maintenance.master_key_change import rekey
from cloudops_nb.storage.maintenance.unreadable_rows import SCAN_STATE, UnreadableRow, unreadable_rows
from tests.storage.conftest import key_file_of
from tests.storage.filled_store import fill

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.facade import StorageService

NEW_KEYS = {
    "rotate": lambda storage, _settings, **drop: rotate_data_key(storage, **drop),
    "rekey": lambda storage, settings, **drop: rekey(storage, settings, lambda: "words/1", **drop),
}


def damage(storage: StorageService) -> list[UnreadableRow]:
    """Alter the envelope of a row of each kind."""
    damaged = []
    for name in (CHAT_HISTORY.name, AWS_ESTATE.name):
        row = next(storage.vector_store.rows(name, EVERY_POINT, ("data",)))
        storage.vector_store.patch(name, [Patch([row.id], {"data": row.payload["data"][:-8] + "AAAAAAA="})])
        damaged.append(UnreadableRow(name, row.id))
    cell = storage.scan_state._blind_name(storage.scan_state.cells()[0].key)
    with storage.journal.database.writing() as connection:
        connection.execute("UPDATE cells SET envelope = ? WHERE cell = ?", (b"x" * 60, cell))
    return [*damaged, UnreadableRow(SCAN_STATE, cell)]


@pytest.mark.parametrize("change", NEW_KEYS)
def test_the_row_is_named_and_nothing_is_changed(storage: StorageService, key_settings: Settings, change: str) -> None:
    fill(storage)
    damaged = damage(storage)
    before = storage.vault.store_file.read()

    more = "3 rows cannot be decrypted in total"
    named = f"{damaged[0].id} of chat_history cannot be decrypted.*{more}.* --drop-unreadable"
    with pytest.raises(DecryptionError, match=named):
        NEW_KEYS[change](storage, key_settings)
    assert storage.vault.store_file.read() == before
    assert [path.name for path in key_file_of(key_settings).parent.glob("*.key.*")] == ["encryption.key.lock"]


@pytest.mark.parametrize("change", NEW_KEYS)
def test_confirmed_unreadable_rows_are_removed_and_the_rest_is_rekeyed(
    storage: StorageService, key_settings: Settings, change: str
) -> None:
    fill(storage)
    damaged = damage(storage)
    rows = unreadable_rows(storage)
    assert set(rows) == set(damaged)
    NEW_KEYS[change](storage, key_settings, drop=rows)

    assert unreadable_rows(storage) == []
    assert len(storage.estate.resources()) == 5
    assert len(storage.scan_state.cells()) == 1


def test_a_store_that_opens_has_none(storage: StorageService, recwarn: Any) -> None:
    fill(storage)

    assert unreadable_rows(storage) == []
    assert not recwarn.list
