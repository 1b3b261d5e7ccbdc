"""Restoring where the store has another key than the snapshot, or where there is no store or no key yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.keys.kept_keys import remove_key
from cloudops_nb.storage.keys.key_export import export_store_key
from cloudops_nb.storage.keys.key_lookup import key_sources
from cloudops_nb.storage.maintenance.data_key_rotation import rotate_data_key
from cloudops_nb.storage.maintenance.key_import import import_store_key
from cloudops_nb.storage.maintenance.master_key_change import rekey
from cloudops_nb.storage.opening.vault_opening import open_vault
from tests.storage.backup.store_contents import change, contents, paths, restored
from tests.storage.conftest import header_of, key_file_of

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.settings import Settings

PASSPHRASE = "correct horse battery"


@pytest.mark.parametrize("merge", [True, False])
def test_a_snapshot_from_before_a_rekeying_comes_back_under_the_present_key(
    filled: StorageService, key_settings: Settings, *, merge: bool
) -> None:
    before = contents(filled)
    rekey(filled, key_settings, lambda: "words/1")
    change(filled)
    report = filled.backup.restore(merge=merge)

    assert report.ok, str(report)
    assert {row.kind: row.outcome for row in restored(report)}["journal"] == "kept"
    after = contents(filled)
    if not merge:
        for part in ("resources", "chat", "cells"):
            assert after[part] == before[part]
    assert rotate_data_key(filled).generation == 2


def test_a_snapshot_whose_kept_key_was_removed_says_so(filled: StorageService, key_settings: Settings) -> None:
    remove_key(key_settings, rekey(filled, key_settings, lambda: "words/1").old_fingerprint)
    before = contents(filled)
    report = filled.backup.restore()

    assert {row.outcome for row in restored(report)} == {"failed"}
    assert all("Import the key first" in problem for problem in report.problems)
    assert contents(filled) == before


def test_a_fresh_machine_without_the_key_makes_nothing_and_restores_after_the_import(
    filled: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    exported, files = export_store_key(key_settings, PASSPHRASE), paths(filled)
    fresh = key_settings.model_copy(update={"data_path": tmp_path / "new", "key_file": tmp_path / "keys" / "new"})
    with StorageService(fresh, lambda: embedder) as storage:
        for file in files:
            (problem,) = storage.backup.restore(file).problems
            assert "Import the key first" in problem
        assert not (fresh.data_path / "store.json").exists()
        assert not key_file_of(fresh).exists()
        import_store_key(storage, fresh, exported, PASSPHRASE)
        assert all(storage.backup.restore(file).ok for file in files)
        assert storage.vault.keys.fingerprint == filled.vault.keys.fingerprint


def test_the_new_store_has_the_snapshots_key_and_not_the_first_one_found(
    filled: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    file, master = paths(filled)[0], filled.vault.master
    new = key_settings.model_copy(update={"data_path": tmp_path / "new", "key_file": tmp_path / "keys" / "new"})
    open_vault(new.model_copy(update={"data_path": tmp_path / "other"}))
    slot = key_sources(new)[0].slot(filled.vault.keys.fingerprint)
    assert slot is not None
    slot.save(master)
    with StorageService(new, lambda: embedder) as storage:
        assert storage.backup.restore(file).ok
        assert storage.vault.keys.fingerprint == filled.vault.keys.fingerprint


def test_after_a_restore_on_a_new_machine_a_rotation_is_a_new_one(
    filled: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    for _ in range(2):
        rotate_data_key(filled)
    filled.backup.snapshot()
    files = sorted(path for path in paths(filled))[-3:]
    new = key_settings.model_copy(update={"data_path": tmp_path / "new"})
    with StorageService(new, lambda: embedder) as storage:
        assert all(storage.backup.restore(file).ok for file in files)
        report = rotate_data_key(storage)
        header = header_of(storage.vault.store_file)
    assert header is not None
    assert not report.continued
    assert header.oldest_data_key_generation == header.data_key_generation == report.generation
