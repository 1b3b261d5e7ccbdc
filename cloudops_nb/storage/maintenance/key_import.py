"""Imports an exported master key for a data path; an empty store that has a different key changes to this key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import EncryptionError, JournalError, StorageError
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.files.private_files import replace_private
from cloudops_nb.storage.files.store_file import FIRST_GENERATION, HEAD_NAME, JOURNAL_NAME, STORE_NAME, StoreFile
from cloudops_nb.storage.journal.head import create_head
from cloudops_nb.storage.keys.key_export import save_key, unwrap_key, wrong_key_error
from cloudops_nb.storage.keys.master_key import StoreKeys
from cloudops_nb.storage.opening.handover import discard_leftovers, hand_over, next_file
from cloudops_nb.storage.vault import vault_of

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.files.store_file import StoreHeader
    from cloudops_nb.storage.keys.key_sources import KeySource
    from cloudops_nb.storage.keys.master_key import MasterKey
    from cloudops_nb.storage.opening.open_store import OpenStore


def import_store_key(service: OpenStore, settings: Settings, text: str, passphrase: str) -> KeySource:
    """Save an exported key for the store in the data path, or for the next store that is created in this path.

    A key in a key source is never overwritten: a second key is saved in a slot of the source, if it has slots. If the
    store has a different key and is empty, the store uses the imported key from now on.

    Returns:
        The key source or slot that holds the key now, and perhaps held it before the import.

    Raises:
        EncryptionError: The text is not an export or was modified, or the passphrase is wrong; nothing was changed.
        WrongKeyError: The store in the data path has a different key, and it is not empty or cannot be opened. Or the
            key source holds a different key, and it has no slots or there is no store yet.
        KeyMissingError: No key source is writable, and no store with a different key is in the data path.
        StoreUnavailableError: Another program has the store open, or a scan or a plan is running in this program.
    """
    master = unwrap_key(text, passphrase)
    fingerprint = StoreKeys(master).fingerprint
    header = StoreFile(settings.data_path).read()
    if header is None or header.key_fingerprint == fingerprint:
        return save_key(settings, master, needed=header is not None)
    try:
        with service.alone():
            if not _is_empty(service):
                raise wrong_key_error(settings, header, fingerprint)
            place = save_key(settings, master, needed=True)
            _change_key(service, header, master)
    except EncryptionError as error:  # for example, the store cannot be opened, because its own key is missing
        raise wrong_key_error(settings, header, fingerprint) from error
    return place


def _is_empty(service: OpenStore) -> bool:
    """Return whether the store holds no data; a store whose journal does not verify counts as not empty."""
    try:
        records = service.journal.verify().count
    except JournalError:
        return False
    points = sum(service.vector_store.count(name, EVERY_POINT) for name in COLLECTIONS)
    return not records and not points and not service.scan_state.contents()


def _change_key(service: OpenStore, header: StoreHeader, master: MasterKey) -> None:
    path, store = service.vault.data_path, service.vector_store
    discard_leftovers(path, store)
    first = {"data_key_generation": FIRST_GENERATION, "oldest_data_key_generation": FIRST_GENERATION}
    renewed = header.model_copy(update={**first, "key_fingerprint": StoreKeys(master).fingerprint})
    vault = vault_of(path, renewed, master)
    create_head(next_file(path, HEAD_NAME), vault.envelope, vault.keys)
    service.journal.close()
    try:
        # The journal holds no record, so remove its files; the next use of the journal creates a new file.
        for suffix in ("", "-wal", "-shm"):
            (path / f"{JOURNAL_NAME}{suffix}").unlink(missing_ok=True)
        replace_private(next_file(path, STORE_NAME), renewed.file_content())
    except OSError as error:
        raise StorageError(f"the store in {path} cannot be written", error.strerror or "") from error
    hand_over(path, store, [])
