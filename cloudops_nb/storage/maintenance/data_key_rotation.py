"""A new data key for everything that is sealed, without a moment in which something cannot be opened.

``store.json`` names the new generation first, so whatever is written from then on is sealed under it. Then every
envelope is sealed anew; a killed process leaves some under each key, and both open. Only when none is left under an
older key are the older ones retired. The journal's records stay as they are, because the chain's MACs cover their
envelopes: they alone may still lie under a retired key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.encryption.sealed import open_sealed, seal, sealed_generation
from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Patch
from cloudops_nb.storage.journal.head import HeadFile
from cloudops_nb.storage.keys.master_key import StoreKeys
from cloudops_nb.storage.maintenance.unreadable import drop_unreadable, require_readable
from cloudops_nb.storage.opening.handover import discard_leftovers
from cloudops_nb.storage.opening.rebuild import BATCH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import StoredRow, VectorStore
    from cloudops_nb.storage.files.store_file import StoreHeader
    from cloudops_nb.storage.maintenance.unreadable import UnreadableRow
    from cloudops_nb.storage.opening.open_store import StorageService
    from cloudops_nb.storage.vault import Vault

#: The kind of the journal's record of a rotation.
KEY_ROTATION = "key_rotation"


@dataclass(frozen=True, slots=True)
class RotationReport:
    """The generation that everything is sealed under now, how many envelopes were sealed anew and where.

    ``continued`` says that an earlier rotation, which was cut short, was finished instead of a new one being made.
    """

    generation: int
    resealed: Mapping[str, int]
    continued: bool


def rotate_data_key(service: StorageService, *, drop: Sequence[UnreadableRow] = ()) -> RotationReport:
    """Seal everything under a new data key, and retire the older ones; a rotation cut short before is finished.

    Args:
        service: The store.
        drop: Rows that do not open, to be removed first.

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
        header, resealed = _continued(service)
        continued = any(resealed.values())
        if not continued:
            header = _renewed(service.vault, header)
            # The parts open anew, under the new generation.
            service.reopen()
            resealed = _reseal(service)
            _retire(service, header)
        body = {"generation": header.data_key_generation, "resealed": resealed, "continued": continued}
        service.journal.append(KEY_ROTATION, service.vault.keys.fingerprint, body, power_safe=True)
    return RotationReport(header.data_key_generation, resealed, continued)


def _continued(service: StorageService) -> tuple[StoreHeader, dict[str, int]]:
    """Finish a rotation that was cut short; returns the header, and what was left to seal anew.

    A restore too leaves older generations in use, with nothing under them.
    """
    header = _header(service.vault)
    if header.oldest_data_key_generation == header.data_key_generation:
        return header, {}
    resealed = _reseal(service)
    return _retire(service, header), resealed


def _retire(service: StorageService, header: StoreHeader) -> StoreHeader:
    """Refuse the older data keys from now on, under which nothing is left."""
    service.flush()
    retired = header.model_copy(update={"oldest_data_key_generation": header.data_key_generation})
    service.vault.store_file.write(retired)
    service.reopen()
    return retired


def _header(vault: Vault) -> StoreHeader:
    header = vault.store_file.read()
    if header is None:
        raise StorageError(f"{vault.store_file.path} is gone", "", "Restore it from a backup.")
    return header


def _renewed(vault: Vault, header: StoreHeader) -> StoreHeader:
    generation = header.data_key_generation + 1
    StoreKeys(vault.master, generation)  # refuses a generation that the store could not be opened with
    renewed = header.model_copy(update={"data_key_generation": generation})
    vault.store_file.write(renewed)
    return renewed


def _reseal(service: StorageService) -> dict[str, int]:
    """Seal everything anew, once more after that, until there is nothing left to do."""
    counts: dict[str, int] = {}
    while any((found := _pass(service)).values()):
        counts = {name: counts.get(name, 0) + count for name, count in found.items()}
    return counts or found


def _pass(service: StorageService) -> dict[str, int]:
    vault, store = service.vault, service.vector_store
    found = {name: _reseal_rows(vault, store, collection) for name, collection in COLLECTIONS.items()}
    return {**found, "scan_state": service.scan_state.reseal(), "journal_head": HeadFile(vault).reseal()}


def _reseal_rows(vault: Vault, store: VectorStore, collection: Collection) -> int:
    count = 0
    patches: list[Patch] = []
    for row in _older(vault, store, collection):
        sealed = seal(vault.envelope, open_sealed(vault.envelope, row, collection), collection, row.id)
        patches.append(Patch([row.id], {"data": sealed}))
        if len(patches) == BATCH:
            count += _patch(store, collection, patches)
            patches = []
    return count + _patch(store, collection, patches)


def _older(vault: Vault, store: VectorStore, collection: Collection) -> Iterator[StoredRow]:
    for row in store.rows(collection.name, EVERY_POINT, ("data",)):
        if sealed_generation(row, collection) < vault.keys.generation:
            yield row


def _patch(store: VectorStore, collection: Collection, patches: list[Patch]) -> int:
    if patches and store.patch(collection.name, patches):
        raise StorageError(f"{collection.name} changes while its data key does", "", "Close what uses the store.")
    return len(patches)
