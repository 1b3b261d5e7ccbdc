"""Rotates the data key: re-encrypts the store under the next generation of the data key.

A generation is the number of a data key. First ``store.json`` is set to the new generation, so that later writes use
the new data key. Then the envelopes (encrypted values) of the collections, of the scan state and of ``journal.head``
(the encrypted copy of the journal's last chain link) are re-encrypted. If the process is killed, some envelopes are
under an old data key and some under the new one, and the store decrypts all of them. At the end the older data keys are
retired: they decrypt only journal records and the schedule.

Journal records are not re-encrypted, because the MACs of the journal's chain cover their envelopes. The schedule is not
re-encrypted, because the next run of each task writes its row again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.encryption.sealed_data import open_sealed, seal, sealed_generation
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Patch
from cloudops_nb.storage.files.store_file import HEAD_NAME
from cloudops_nb.storage.journal.head import HeadFile
from cloudops_nb.storage.keys.master_key import StoreKeys
from cloudops_nb.storage.maintenance.unreadable_rows import drop_unreadable, require_readable
from cloudops_nb.storage.opening.handover import discard_leftovers
from cloudops_nb.storage.opening.staged_copy import BATCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import StoredRow, VectorStore
    from cloudops_nb.storage.files.store_file import StoreHeader
    from cloudops_nb.storage.maintenance.unreadable_rows import UnreadableRow
    from cloudops_nb.storage.opening.open_store import OpenStore
    from cloudops_nb.storage.vault import Vault

#: The kind of the journal record that reports a rotation.
KEY_ROTATION = "key_rotation"


@dataclass(frozen=True, slots=True)
class RotationReport:
    """The new data key's generation, and for each part of the store the number of re-encrypted envelopes.

    If ``continued`` is true, an interrupted rotation was finished, and no new rotation was started.
    """

    generation: int
    resealed: Mapping[str, int]
    continued: bool


def rotate_data_key(service: OpenStore, *, drop: Sequence[UnreadableRow] = ()) -> RotationReport:
    """Re-encrypt the store under a new data key and retire the older keys, or finish an interrupted rotation.

    Args:
        service: The store.
        drop: Unreadable rows to remove first.

    Raises:
        StoreUnavailableError: Another program has the store open, or a scan or a plan is running in this program.
        DecryptionError: An envelope cannot be decrypted; nothing was re-encrypted.
        JournalError: The journal does not verify.
    """
    with service.alone():
        service.journal.verify()
        discard_leftovers(service.vault.data_path, service.vector_store)
        drop_unreadable(service, drop)
        require_readable(service)
        header, resealed = _finish_interrupted(service)
        continued = any(resealed.values())
        if not continued:
            header = _with_next_generation(service.vault, header)
            # reopen() closes the store's parts. Their next use opens them with the new data key.
            service.reopen()
            resealed = _reencrypt_all(service)
            _retire_older_keys(service, header)
        body = {"generation": header.data_key_generation, "resealed": resealed, "continued": continued}
        service.journal.append(KEY_ROTATION, service.vault.keys.fingerprint, body, power_safe=True)
    return RotationReport(header.data_key_generation, resealed, continued)


def _finish_interrupted(service: OpenStore) -> tuple[StoreHeader, dict[str, int]]:
    """Finish an interrupted rotation; returns the header, and for each part the number of re-encrypted envelopes.

    ``oldest_data_key_generation`` in the header may name an older data key although no envelope uses it, for example
    after a restore. Then every number is 0, and the caller starts a new rotation.
    """
    header = _store_header(service.vault)
    if header.oldest_data_key_generation == header.data_key_generation:
        return header, {}
    resealed = _reencrypt_all(service)
    return _retire_older_keys(service, header), resealed


def _retire_older_keys(service: OpenStore, header: StoreHeader) -> StoreHeader:
    """Retire the older data keys.

    The caller has re-encrypted every envelope except journal records and the schedule.
    """
    service.flush()
    retired = header.model_copy(update={"oldest_data_key_generation": header.data_key_generation})
    service.vault.store_file.write(retired)
    service.reopen()
    return retired


def _store_header(vault: Vault) -> StoreHeader:
    header = vault.store_file.read()
    if header is None:
        raise StorageError(f"{vault.store_file.path} is missing", "", "Restore it from a backup.")
    return header


def _with_next_generation(vault: Vault, header: StoreHeader) -> StoreHeader:
    generation = header.data_key_generation + 1
    StoreKeys(vault.master, generation)  # raises before the write if the generation is out of range
    renewed = header.model_copy(update={"data_key_generation": generation})
    vault.store_file.write(renewed)
    return renewed


def _reencrypt_all(service: OpenStore) -> dict[str, int]:
    """Re-encrypt all envelopes under older data keys; returns their number for each part.

    Passes over the store are repeated until a pass finds no such envelope.
    """
    counts: dict[str, int] = {}
    while any((found := _reencrypt_once(service)).values()):
        counts = {name: counts.get(name, 0) + count for name, count in found.items()}
    return counts or found


def _reencrypt_once(service: OpenStore) -> dict[str, int]:
    vault, store = service.vault, service.vector_store
    found = {name: _reencrypt_rows(vault, store, collection) for name, collection in COLLECTIONS.items()}
    head = HeadFile(vault.data_path / HEAD_NAME, vault.envelope)
    return {**found, "scan_state": service.scan_state.reseal(), "journal_head": head.reseal()}


def _reencrypt_rows(vault: Vault, store: VectorStore, collection: Collection) -> int:
    count = 0
    patches: list[Patch] = []
    for row in _older_rows(vault, store, collection):
        content = open_sealed(vault.envelope, row, collection)
        sealed = seal(vault.envelope, content, collection, row.id, row.payload)
        patches.append(Patch([row.id], {"data": sealed}))
        if len(patches) == BATCH:
            count += _write_patches(store, collection, patches)
            patches = []
    return count + _write_patches(store, collection, patches)


def _older_rows(vault: Vault, store: VectorStore, collection: Collection) -> Iterator[StoredRow]:
    for row in store.rows(collection.name, EVERY_POINT, collection.sealed_fields):
        if sealed_generation(row, collection) < vault.keys.generation:
            yield row


def _write_patches(store: VectorStore, collection: Collection, patches: list[Patch]) -> int:
    if patches and store.patch(collection.name, patches):  # patch returns the ids that do not exist any more
        why = "rows were deleted while they were re-encrypted"
        fix = "Close the other programs that use the store, then try again."
        raise StorageError(f"{collection.name} changed during the rotation", why, fix)
    return len(patches)
