"""Changes a store's master key, and with it every key that is derived from the master key.

The new key is saved first. Then every part of the store is written under the new key next to the live part, and
checked. One handover, which replaces all parts or none, makes the new parts live. A killed process leaves either the
complete old store or the complete new store, and the key of each can be found.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import CloudOpsError, StorageError
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY, staged_name
from cloudops_nb.storage.estate.moved_cells import MovedCells
from cloudops_nb.storage.files.private_files import replace_private, sync_folder
from cloudops_nb.storage.files.store_file import FIRST_GENERATION, HEAD_NAME, JOURNAL_NAME, STORE_NAME
from cloudops_nb.storage.journal.head import create_head
from cloudops_nb.storage.journal.journal import Journal
from cloudops_nb.storage.keys.key_lookup import find_key
from cloudops_nb.storage.keys.key_succession import finish_succession, new_key_in_slot
from cloudops_nb.storage.maintenance.rekeyed_journal import rechain
from cloudops_nb.storage.maintenance.rekeyed_points import RekeyedChat, RekeyedEstate
from cloudops_nb.storage.maintenance.unreadable_rows import drop_unreadable, require_readable
from cloudops_nb.storage.opening.handover import discard_leftovers, hand_over, handover_pending, next_file
from cloudops_nb.storage.opening.staged_copy import stage_copy
from cloudops_nb.storage.scan_state import ScanState
from cloudops_nb.storage.vault import vault_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cloudops_nb.model import CellKey
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.files.store_file import StoreHeader
    from cloudops_nb.storage.maintenance.unreadable_rows import UnreadableRow
    from cloudops_nb.storage.opening.open_store import OpenStore
    from cloudops_nb.storage.vault import Vault

#: The folder in the data path in which the new journal and its head file are built.
BUILD_FOLDER_NAME = "rekey.next"


@dataclass(frozen=True, slots=True)
class RekeyReport:
    """The result of a change of the master key.

    Attributes:
        fingerprint: The new key's fingerprint.
        rebuilt: For each part of the store, the number of rewritten entries.
        old_fingerprint: The old key's fingerprint.
        old_key_place: The name of the key source, or of the slot in a source, that holds the old key now.
    """

    fingerprint: str
    rebuilt: Mapping[str, int]
    old_fingerprint: str
    old_key_place: str


def rekey(
    service: OpenStore,
    settings: Settings,
    model_id: Callable[[], str],
    *,
    drop: Sequence[UnreadableRow] = (),
) -> RekeyReport:
    """Rewrite a store under a new master key; the old key is kept, because backups and other stores may need it.

    Args:
        service: The store.
        settings: The store's settings.
        model_id: Returns the id of the embedding model; called only if there are resources.
        drop: Unreadable rows to remove first.

    Raises:
        EncryptionError: The key source cannot hold a second key, or a value cannot be decrypted under the current key.
        JournalError: The journal does not verify.
        StoreUnavailableError: Another program has the store open, or a scan or a plan is running in this program.
    """
    with service.alone():
        finish_succession(settings)
        data_path, old_fingerprint = settings.data_path, service.vault.keys.fingerprint
        _remove_build_folder(data_path)
        discard_leftovers(data_path, service.vector_store)
        drop_unreadable(service, drop)
        require_readable(service)
        try:
            fingerprint, rebuilt = _rewrite_store(service, settings, model_id)
        except CloudOpsError:
            # If the handover was committed, the next opening of the store finishes it and needs the new parts.
            if not handover_pending(data_path):
                with suppress(CloudOpsError):  # the next key change removes what this attempt leaves
                    discard_leftovers(data_path, service.vector_store)
                    _remove_build_folder(data_path)
                    finish_succession(settings)
            raise
        service.reopen()
        _remove_build_folder(data_path)
        finish_succession(settings)
        place = find_key(settings, old_fingerprint).place.name
    return RekeyReport(fingerprint, rebuilt, old_fingerprint, place)


def _rewrite_store(
    service: OpenStore, settings: Settings, model_id: Callable[[], str]
) -> tuple[str, Mapping[str, int]]:
    """Write every part under a new key and make the parts live; returns the key's fingerprint and the entry counts."""
    old, store = service.vault, service.vector_store
    master = new_key_in_slot(settings, old.keys.fingerprint)
    build_folder = _create_build_folder(old.data_path)
    header = _first_generation_header(old)
    new = vault_of(build_folder, header, master)
    header = header.model_copy(update={"key_fingerprint": new.keys.fingerprint})
    altered = [cell.key for cell in service.estate.integrity.check().altered]
    rebuilt = {
        AWS_ESTATE.name: stage_copy(store, AWS_ESTATE, RekeyedEstate(old, new, model_id), new.envelope),
        CHAT_HISTORY.name: stage_copy(store, CHAT_HISTORY, RekeyedChat(old, new), new.envelope),
        **_rewrite_database(service, new, altered),
    }
    service.journal.close()
    _stage_files(old.data_path, header)
    hand_over(old.data_path, store, (AWS_ESTATE.name, CHAT_HISTORY.name))
    return header.key_fingerprint, rebuilt


def _first_generation_header(old: Vault) -> StoreHeader:
    """Return the store's header with the first data key generation, because a new master key starts with it."""
    header = old.store_file.read()
    if header is None:
        raise StorageError(f"{old.store_file.path} is missing", "", "Restore it from a backup.")
    first = {"data_key_generation": FIRST_GENERATION, "oldest_data_key_generation": FIRST_GENERATION}
    return header.model_copy(update=first)


def _rewrite_database(service: OpenStore, new: Vault, altered: Sequence[CellKey]) -> dict[str, int]:
    """Write the journal and the scan state into a new database; returns the number of entries of each."""
    create_head(new.data_path / HEAD_NAME, new.envelope, new.keys)
    journal = Journal(new.data_path, new)
    try:
        records = rechain(service.journal, service.vault, journal, new)
        moved = MovedCells(service.vector_store, staged_name(AWS_ESTATE.name), new)
        cells = moved.with_new_digests(service.scan_state.contents(), altered)
        new_state = ScanState(journal.database, new)
        former = service.scan_state
        new_state.found(cells, turn=former.turn(), altered=bool(former.alteration()))
        if len(new_state.contents()) != len(cells):
            raise StorageError("the scan state cannot be rewritten", "the copy does not have every cell")
    finally:
        # When the last connection closes, SQLite moves the content of the write-ahead log into the database file.
        journal.close()
    return {"journal": records, "scan_state": len(cells)}


def _stage_files(data_path: Path, header: StoreHeader) -> None:
    build_folder = data_path / BUILD_FOLDER_NAME
    if (build_folder / f"{JOURNAL_NAME}-wal").exists():
        raise StorageError("the new journal cannot be handed over", "another program has it open")
    try:
        for name in (JOURNAL_NAME, HEAD_NAME):
            (build_folder / name).replace(next_file(data_path, name))
        replace_private(next_file(data_path, STORE_NAME), header.file_content())
        sync_folder(data_path)
    except OSError as error:
        raise StorageError("the new store cannot be handed over", error.strerror or "") from error


def _create_build_folder(data_path: Path) -> Path:
    build_folder = data_path / BUILD_FOLDER_NAME
    try:
        build_folder.mkdir(mode=0o700)
    except OSError as error:
        raise StorageError(f"cannot create {build_folder}", error.strerror or "") from error
    return build_folder


def _remove_build_folder(data_path: Path) -> None:
    build_folder = data_path / BUILD_FOLDER_NAME
    try:
        if build_folder.exists():
            shutil.rmtree(build_folder)
    except OSError as error:
        what, fix = f"cannot remove {build_folder}", "Remove it, then try again."
        raise StorageError(what, error.strerror or "", fix) from error
