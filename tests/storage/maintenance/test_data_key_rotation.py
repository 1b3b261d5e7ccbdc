"""A new data key for a store that is in use, and what a killed rotation leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import DecryptionError, EncryptionError, StorageError, StoreUnavailableError
from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.storage.encryption.envelope import key_generation
from cloudops_nb.storage.encryption.sealed_data import open_sealed, sealed_generation
from cloudops_nb.storage.engines.schema import AWS_ESTATE, COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Patch
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.maintenance import data_key_rotation
from cloudops_nb.storage.maintenance.data_key_rotation import KEY_ROTATION, rotate_data_key
from tests.storage.conftest import header_of
from tests.storage.filled_store import fill, kept_in

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings


def generations(storage: StorageService) -> set[int]:
    """The generation of every envelope outside the journal."""
    rows = [
        sealed_generation(row, collection)
        for collection in COLLECTIONS.values()
        for row in storage.vector_store.rows(collection.name, EVERY_POINT, ("data",))
    ]
    with storage.journal.database.reading() as connection:
        cells = [key_generation(sealed) for (sealed,) in connection.execute("SELECT envelope FROM cells")]
    head = key_generation((storage.vault.data_path / "journal.head").read_bytes())
    return {*rows, *cells, head}


def header(storage: StorageService) -> tuple[int, int]:
    found = header_of(storage.vault.store_file)
    return found.oldest_data_key_generation, found.data_key_generation


def test_everything_is_sealed_under_the_new_key_and_stays_as_it_was(storage: StorageService) -> None:
    fill(storage)
    before = kept_in(storage)
    report = rotate_data_key(storage)

    assert (report.generation, report.continued) == (2, False)
    assert report.resealed == {"chat_history": 5, "aws_estate": 6, "scan_state": 2, "journal_head": 1}
    assert generations(storage) == {2}
    assert header(storage) == (2, 2)
    assert kept_in(storage) == {**before, "journal": before["journal"] + 1}
    assert [record.subject for record in storage.journal.records(kind="plan")] == ["p0", "p1", "p2"]
    assert storage.journal.records(kind=KEY_ROTATION)[0].body["generation"] == 2


def test_each_rotation_is_another_key(storage: StorageService) -> None:
    fill(storage)
    rotate_data_key(storage)
    report = rotate_data_key(storage)

    assert report.generation == 3
    assert generations(storage) == {3}
    assert header(storage) == (3, 3)


def test_an_envelope_of_a_retired_key_is_refused_when_it_is_put_back(storage: StorageService) -> None:
    fill(storage)
    row = next(storage.vector_store.rows(AWS_ESTATE.name, EVERY_POINT, ("data",)))
    rotate_data_key(storage)
    assert len(storage.estate.resources()) == 6
    storage.vector_store.patch(AWS_ESTATE.name, [Patch([row.id], {"data": row.payload["data"]})])

    assert row.id not in {
        storage.estate._points.point_id_of(hit.resource.canonical_key) for hit in storage.estate.resources()
    }
    assert len(storage.estate.resources()) == 5
    (put_back,) = storage.vector_store.retrieve(AWS_ESTATE.name, [row.id], AWS_ESTATE.sealed_fields)
    with pytest.raises(DecryptionError, match="its data key was retired"):
        open_sealed(storage.vault.envelope, put_back, AWS_ESTATE)


def test_a_killed_rotation_is_finished_by_the_next(
    storage: StorageService, key_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(storage)
    before = kept_in(storage)
    reseal, calls = data_key_rotation._reencrypt_rows, iter([True, False])

    def killed(*arguments: Any) -> int:
        if next(calls):
            return reseal(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(data_key_rotation, "_reencrypt_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            rotate_data_key(storage)
    assert generations(storage) == {1, 2}
    assert header(storage) == (1, 2)
    assert kept_in(storage) == before

    report = rotate_data_key(storage)
    assert report.continued
    assert report.resealed["chat_history"] == 0
    assert report.resealed["aws_estate"] == 6
    assert (generations(storage), header(storage)) == ({2}, (2, 2))
    with StorageService(key_settings, storage._embedder) as other:
        assert kept_in(other) == {**before, "journal": before["journal"] + 1}


def test_nothing_is_retired_while_an_envelope_does_not_open(storage: StorageService) -> None:
    fill(storage)
    row = next(storage.vector_store.rows(AWS_ESTATE.name, EVERY_POINT, ("data",)))
    damaged = row.payload["data"][:-8] + "AAAAAAA="
    storage.vector_store.patch(AWS_ESTATE.name, [Patch([row.id], {"data": damaged})])

    with pytest.raises(DecryptionError, match=f"the row {row.id} of aws_estate .* --drop-unreadable"):
        rotate_data_key(storage)
    assert header(storage) == (1, 1)


def test_a_point_that_vanishes_during_a_rotation_stops_it(
    storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(storage)
    monkeypatch.setattr("cloudops_nb.storage.engines.owner.owner_client.OwnerClient.patch", lambda *_: ["gone"])

    with pytest.raises(StorageError, match="changed during the rotation"):
        rotate_data_key(storage)
    assert header(storage) == (1, 2)


def test_after_the_last_generation_nothing_is_changed(storage: StorageService) -> None:
    last = {"data_key_generation": 0xFFFF, "oldest_data_key_generation": 0xFFFF}
    storage.vault.store_file.write(header_of(storage.vault.store_file).model_copy(update=last))
    head = storage.vault.data_path / "journal.head"
    head.unlink()
    storage.close()
    from cloudops_nb.storage.journal.head import create_head

    create_head(head, storage.vault.envelope, storage.vault.keys)
    with pytest.raises(EncryptionError, match="generation is out of range"):
        rotate_data_key(storage)
    assert header(storage) == (0xFFFF, 0xFFFF)


def test_it_fails_while_another_program_has_the_store_open(
    storage: StorageService, key_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(storage)
    monkeypatch.setattr("cloudops_nb.storage.opening.usage_lock.ALONE_SECONDS", 0.1)
    with StorageService(key_settings, storage._embedder) as other:
        assert other.estate.count() == 6
        with pytest.raises(StoreUnavailableError, match="another program has it open"):
            rotate_data_key(storage)
    assert header(storage) == (1, 1)


def test_a_cell_scanned_before_is_found_after(storage: StorageService) -> None:
    key = CellKey("123456789012", "eu-west-1", "sqs_queue")
    storage.scan_state.put(CellResult(key, CellState.OK, datetime(2025, 1, 1, tzinfo=UTC), 1.0), "scan-9")
    rotate_data_key(storage)

    assert storage.scan_state.states([key]) == {key: CellState.OK}
