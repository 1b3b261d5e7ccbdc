"""A new master key for a whole store: index, rotation, journal and data keys all change.

The new key is kept first. Then everything is written anew beside the live store, checked there, and handed over as
one. A process that is killed leaves the whole old store or the whole new one, and either opens as it is.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import CloudOpsError, StorageError
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.files.private_files import replace_private, sync_folder
from cloudops_nb.storage.files.store_file import FIRST_GENERATION, HEAD_NAME, JOURNAL_NAME, STORE_NAME
from cloudops_nb.storage.journal.head import create_head
from cloudops_nb.storage.journal.records import Journal
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

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.files.store_file import StoreHeader
    from cloudops_nb.storage.maintenance.unreadable_rows import UnreadableRow
    from cloudops_nb.storage.opening.open_store import OpenStore
    from cloudops_nb.storage.vault import Vault

#: The folder in which the new journal is written.
ASIDE_NAME = "rekey.next"


@dataclass(frozen=True, slots=True)
class RekeyReport:
    """The new key's fingerprint, what was written anew and how much of it, the old key's, and where that lies now."""

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
    """Take a store to a new master key; the old one is kept in a slot, for backups and other stores.

    Args:
        service: The store.
        settings: Its settings.
        model_id: Returns the id of the embedding model; called if there are resources.
        drop: Rows that do not open, to be removed first.

    Raises:
        EncryptionError: The key's place cannot hold a second one, or something does not open under the present key.
        JournalError: The journal does not verify.
        StoreUnavailableError: Another program has the store open.
    """
    with service.alone():
        finish_succession(settings)
        data_path, old = settings.data_path, service.vault.keys.fingerprint
        _clear(data_path)
        discard_leftovers(data_path, service.vector_store)
        drop_unreadable(service, drop)
        require_readable(service)
        try:
            fingerprint, rebuilt = _go_over(service, settings, model_id)
        except CloudOpsError:
            # From its commit point on, a handover is finished by whoever opens the store next.
            if not handover_pending(data_path):
                with suppress(CloudOpsError):  # what cannot be removed now is removed before the next attempt
                    discard_leftovers(data_path, service.vector_store)
                    _clear(data_path)
                    finish_succession(settings)
            raise
        service.reopen()
        _clear(data_path)
        finish_succession(settings)
        place = find_key(settings, old).place.name
    return RekeyReport(fingerprint, rebuilt, old, place)


def _go_over(service: OpenStore, settings: Settings, model_id: Callable[[], str]) -> tuple[str, Mapping[str, int]]:
    """Write everything anew under a new key, and hand it over; returns the key's fingerprint and the counts."""
    old, store = service.vault, service.vector_store
    master = new_key_in_slot(settings, old.keys.fingerprint)
    aside = _made_aside(old.data_path)
    header = _header(old)
    new = vault_of(aside, header, master)
    header = header.model_copy(update={"key_fingerprint": new.keys.fingerprint})
    rebuilt = {
        AWS_ESTATE.name: stage_copy(store, AWS_ESTATE, RekeyedEstate(old, new, model_id), new.envelope),
        CHAT_HISTORY.name: stage_copy(store, CHAT_HISTORY, RekeyedChat(old, new), new.envelope),
        **_rewrite(service, new),
    }
    service.journal.close()
    _stage_files(old.data_path, header)
    hand_over(old.data_path, store, (AWS_ESTATE.name, CHAT_HISTORY.name))
    return header.key_fingerprint, rebuilt


def _header(old: Vault) -> StoreHeader:
    header = old.store_file.read()
    if header is None:
        raise StorageError(f"{old.store_file.path} is gone", "", "Restore it from a backup.")
    first = {"data_key_generation": FIRST_GENERATION, "oldest_data_key_generation": FIRST_GENERATION}
    return header.model_copy(update=first)


def _rewrite(service: OpenStore, new: Vault) -> dict[str, int]:
    """Write the journal and the scan state into a database of their own."""
    create_head(new.data_path / HEAD_NAME, new.envelope, new.keys)
    journal = Journal(new.data_path, new)
    try:
        records = rechain(service.journal, service.vault, journal, new)
        cells = service.scan_state.contents()
        arrived = ScanState(journal.database, new)
        arrived.fill(cells)
        if len(arrived.contents()) != len(cells):
            raise StorageError("the scan state cannot be rebuilt", "cells were lost on the way")
    finally:
        # Closing the only connection also moves the log into the file.
        journal.close()
    return {"journal": records, "scan_state": len(cells)}


def _stage_files(data_path: Path, header: StoreHeader) -> None:
    aside = data_path / ASIDE_NAME
    if (aside / f"{JOURNAL_NAME}-wal").exists():
        raise StorageError("the new journal cannot be handed over", "somebody has it open")
    try:
        for name in (JOURNAL_NAME, HEAD_NAME):
            (aside / name).replace(next_file(data_path, name))
        replace_private(next_file(data_path, STORE_NAME), header.model_dump_json(indent=2).encode() + b"\n")
        sync_folder(data_path)
    except OSError as error:
        raise StorageError("the new store cannot be handed over", error.strerror or "") from error


def _made_aside(data_path: Path) -> Path:
    aside = data_path / ASIDE_NAME
    try:
        aside.mkdir(mode=0o700)
    except OSError as error:
        raise StorageError(f"{aside} cannot be made", error.strerror or "") from error
    return aside


def _clear(data_path: Path) -> None:
    aside = data_path / ASIDE_NAME
    try:
        if aside.exists():
            shutil.rmtree(aside)
    except OSError as error:
        raise StorageError(f"{aside} cannot be removed", error.strerror or "", "Remove it, then try again.") from error
