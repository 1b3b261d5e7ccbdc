"""Rotates the data key: re-encrypts all envelopes, which can be decrypted at every moment.

``store.json`` first names the new generation, so later writes use it. Then every envelope is re-encrypted; a killed
process leaves envelopes under both keys, and both decrypt. The older keys are retired only when no envelope uses them.
Journal records are not re-encrypted, because the chain's MACs cover their envelopes: only they may use a retired key.
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

#: The kind of the journal record of a rotation.
KEY_ROTATION = "key_rotation"


@dataclass(frozen=True, slots=True)
class RotationReport:
    """The new data key's generation, and the number of re-encrypted envelopes by collection.

    ``continued`` means that an earlier, interrupted rotation was finished, and no new one was made.
    """

    generation: int
    resealed: Mapping[str, int]
    continued: bool


def rotate_data_key(service: OpenStore, *, drop: Sequence[UnreadableRow] = ()) -> RotationReport:
    """Re-encrypt everything under a new data key and retire the older keys, or finish an interrupted rotation.

    Args:
        service: The store.
        drop: Unreadable rows to remove first.

    Raises:
        StoreUnavailableError: Another program has the store open.
        DecryptionError: An envelope was altered; nothing is changed.
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
            # The parts must open again under the new generation.
            service.reopen()
            resealed = _reencrypt_all(service)
            _retire_older_keys(service, header)
        body = {"generation": header.data_key_generation, "resealed": resealed, "continued": continued}
        service.journal.append(KEY_ROTATION, service.vault.keys.fingerprint, body, power_safe=True)
    return RotationReport(header.data_key_generation, resealed, continued)


def _finish_interrupted(service: OpenStore) -> tuple[StoreHeader, dict[str, int]]:
    """Finish an interrupted rotation; returns the header, and the number of envelopes that were left.

    A restore, too, leaves older generations in use, without envelopes under them.
    """
    header = _store_header(service.vault)
    if header.oldest_data_key_generation == header.data_key_generation:
        return header, {}
    resealed = _reencrypt_all(service)
    return _retire_older_keys(service, header), resealed


def _retire_older_keys(service: OpenStore, header: StoreHeader) -> StoreHeader:
    """Retire the older data keys, which no envelope uses."""
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
    StoreKeys(vault.master, generation)  # raises for a generation that the store could not be opened with
    renewed = header.model_copy(update={"data_key_generation": generation})
    vault.store_file.write(renewed)
    return renewed


def _reencrypt_all(service: OpenStore) -> dict[str, int]:
    """Re-encrypt all older envelopes, and repeat until a pass finds no older one."""
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
        sealed = seal(vault.envelope, open_sealed(vault.envelope, row, collection), collection, row.id)
        patches.append(Patch([row.id], {"data": sealed}))
        if len(patches) == BATCH:
            count += _write_patches(store, collection, patches)
            patches = []
    return count + _write_patches(store, collection, patches)


def _older_rows(vault: Vault, store: VectorStore, collection: Collection) -> Iterator[StoredRow]:
    for row in store.rows(collection.name, EVERY_POINT, ("data",)):
        if sealed_generation(row, collection) < vault.keys.generation:
            yield row


def _write_patches(store: VectorStore, collection: Collection, patches: list[Patch]) -> int:
    if patches and store.patch(collection.name, patches):
        raise StorageError(
            f"{collection.name} changed during the rotation", "", "Close what uses the store, and try again."
        )
    return len(patches)
