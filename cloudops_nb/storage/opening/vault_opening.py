"""Opens the keys of a store, and makes a store where there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudops_nb.errors import StoreCorruptedError
from cloudops_nb.storage.files.store_file import (
    FIRST_GENERATION,
    HEAD_NAME,
    StoreFile,
    StoreHeader,
    prepare_data_path,
    starting_over_advice,
    with_store_id,
)
from cloudops_nb.storage.journal.head import create_head
from cloudops_nb.storage.keys.key_lookup import find_master_key, find_or_make_master_key
from cloudops_nb.storage.keys.master_key import StoreKeys
from cloudops_nb.storage.vault import vault_of

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.keys.master_key import MasterKey
    from cloudops_nb.storage.vault import Vault


def open_vault(settings: Settings) -> Vault:
    """Open the store's keys; on the first run make the folder, the key and ``store.json``.

    Several processes may do so at once, on a new store too.

    Raises:
        ConfigurationError: The settings of the key contradict each other.
        InitialisationError: The data path cannot be used, or the store is newer than this package.
        StoreCorruptedError: ``store.json`` is damaged, or missing beside data.
        KeyMissingError: There is a store, but no key; a new one is never made for it.
        WrongKeyError: The keys found are those of other stores.
        EncryptionError: A key source is locked, fails, or holds something that is no key.
    """
    prepare_data_path(settings.data_path)
    store_file = StoreFile(settings.data_path)
    header = store_file.read()
    if header is not None:
        return vault_of(settings.data_path, header, find_master_key(settings, header.key_fingerprint))
    with store_file.lock():
        header = store_file.read()
        if header is not None:  # another process made it while we waited
            return vault_of(settings.data_path, header, find_master_key(settings, header.key_fingerprint))
        _refuse_data(store_file)
        return _create(settings, store_file, find_or_make_master_key(settings), FIRST_GENERATION)


def create_vault(settings: Settings, master: MasterKey, *, generation: int = FIRST_GENERATION) -> Vault:
    """Make a store of a given key, for what a backup brings; the data keys before ``generation`` count as retired.

    Raises:
        InitialisationError: The data path cannot be used.
        StoreCorruptedError: There is a store, or a part of one.
    """
    prepare_data_path(settings.data_path)
    store_file = StoreFile(settings.data_path)
    with store_file.lock():
        _refuse_data(store_file)
        return _create(settings, store_file, master, generation)


def _refuse_data(store_file: StoreFile) -> None:
    if store_file.has_data():
        why = f"{store_file.path} is missing beside the store's data"
        fix = starting_over_advice(store_file.data_path)
        raise StoreCorruptedError(f"the store in {store_file.data_path} does not open", why, fix)


def _create(settings: Settings, store_file: StoreFile, master: MasterKey, generation: int) -> Vault:
    unnamed = StoreHeader(
        created=datetime.now(UTC),
        key_fingerprint=StoreKeys(master).fingerprint,
        data_key_generation=generation,
        oldest_data_key_generation=generation,
        engine="remote" if settings.remote else "embedded",
        remote_url=settings.qdrant_url,
        remote_prefix=settings.qdrant_prefix if settings.remote else "",
    )
    header = with_store_id(unnamed)
    vault = vault_of(settings.data_path, header, master)
    # The head comes first: from then on a store without one is a store from which it was taken.
    create_head(vault.data_path / HEAD_NAME, vault.envelope, vault.keys)
    store_file.write(header)
    return vault
