"""Keys that stores went over from: listed, and removed only on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import EncryptionError, KeyMissingError
from cloudops_nb.settings import Settings
from cloudops_nb.storage.keys.kept_keys import kept_keys, remove_key
from cloudops_nb.storage.keys.key_lookup import key_sources
from cloudops_nb.storage.keys.keyring_source import KeyringSource
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys
from cloudops_nb.storage.opening.vault_opening import open_vault
from tests.storage.conftest import key_file_of
from tests.storage.memory_keyring import MemoryKeyring

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def kept_beside(settings: Settings) -> str:
    master = MasterKey.generate()
    fingerprint = StoreKeys(master).fingerprint
    slot = key_sources(settings)[0].slot(fingerprint)
    assert slot is not None
    slot.save(master)
    return fingerprint


def test_kept_keys_are_listed_without_the_present_one(key_settings: Settings) -> None:
    present = open_vault(key_settings).master
    fingerprint = kept_beside(key_settings)
    slot = key_sources(key_settings)[0].slot(StoreKeys(present).fingerprint)
    assert slot is not None
    slot.save(present)
    key_file_of(key_settings).with_name("encryption.key.notes").touch(mode=0o600)

    assert [kept.fingerprint for kept in kept_keys(key_settings)] == [fingerprint]


def test_a_kept_key_is_removed_and_no_other(key_settings: Settings) -> None:
    vault = open_vault(key_settings)
    gone, stays = kept_beside(key_settings), kept_beside(key_settings)

    assert [one.fingerprint for one in remove_key(key_settings, gone)] == [gone]
    assert [kept.fingerprint for kept in kept_keys(key_settings)] == [stays]
    with pytest.raises(KeyMissingError):
        remove_key(key_settings, gone)
    with pytest.raises(EncryptionError, match="it is the store's current key"):
        remove_key(key_settings, vault.keys.fingerprint)
    assert open_vault(key_settings).keys.fingerprint == vault.keys.fingerprint


def test_a_keyring_answers_for_fingerprints_that_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = MemoryKeyring()
    monkeypatch.setattr("keyring.get_keyring", lambda: memory)
    settings = Settings(data_path=tmp_path / "store")
    open_vault(settings)
    fingerprint = kept_beside(settings)

    assert isinstance(key_sources(settings)[0], KeyringSource)
    assert kept_keys(settings) == []
    (kept,) = kept_keys(settings, [fingerprint])
    assert kept.place.name == f"the keyring of the operating system (entry encryption_key.{fingerprint})"
    remove_key(settings, fingerprint)
    assert kept_keys(settings, [fingerprint]) == []
