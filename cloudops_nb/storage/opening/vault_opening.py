"""Opens the vault (the keys) of a store, and creates the store if there is none."""

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
    """Open the store's vault; if there is no store, create the folder, the key (if there is none) and ``store.json``.

    Several processes may call this at once, even for a new store.

    Raises:
        ConfigurationError: The settings of the key contradict each other.
        InitialisationError: The data path cannot be used, or the store is newer than this package.
        StoreCorruptedError: ``store.json`` is damaged, or is missing although there is data.
        KeyMissingError: The store exists, but its key does not; a new key is made only for a new store.
        WrongKeyError: The key sources hold only keys of other stores.
        EncryptionError: A key source is locked, fails, or has content that is not a key.
    """
    prepare_data_path(settings.data_path)
    store_file = StoreFile(settings.data_path)
    header = store_file.read()
    if header is not None:
        return vault_of(settings.data_path, header, find_master_key(settings, header.key_fingerprint))
    with store_file.lock():
        header = store_file.read()
        if header is not None:  # another process created the store while this one waited for the lock
            return vault_of(settings.data_path, header, find_master_key(settings, header.key_fingerprint))
        _require_no_data(store_file)
        return _create_store(settings, store_file, find_or_make_master_key(settings), FIRST_GENERATION)


def create_vault(settings: Settings, master: MasterKey, *, generation: int = FIRST_GENERATION) -> Vault:
    """Create a store with a given key, to restore a backup into it.

    Args:
        settings: The data path and the location of the collections.
        master: The master key.
        generation: The number of the data key that encrypts the new store's values; lower numbers count as retired.

    Raises:
        InitialisationError: The data path cannot be used.
        StoreCorruptedError: The data path already holds a store, or a part of one.
    """
    prepare_data_path(settings.data_path)
    store_file = StoreFile(settings.data_path)
    with store_file.lock():
        _require_no_data(store_file)
        return _create_store(settings, store_file, master, generation)


def _require_no_data(store_file: StoreFile) -> None:
    if store_file.has_data():
        missing = f"{store_file.path} is missing next to the store's data"
        why = "it already holds a store" if store_file.path.exists() else missing
        fix = starting_over_advice(store_file.data_path)
        raise StoreCorruptedError(f"the data path {store_file.data_path} cannot be used", why, fix)


def _create_store(settings: Settings, store_file: StoreFile, master: MasterKey, generation: int) -> Vault:
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
    # Write journal.head, which reveals removed records, before store.json. So a store without journal.head has lost it.
    create_head(vault.data_path / HEAD_NAME, vault.envelope, vault.keys)
    store_file.write(header)
    return vault
