"""A store's new master key in its place, and the old one in a slot, whenever the process may be killed in between.

A note in the data path names both. The new key lies in a slot beside the old one until the store has gone over to it;
then they change places. The old one is never removed here, see :mod:`cloudops_nb.storage.keys.kept_keys`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cloudops_nb.errors import EncryptionError, InitialisationError
from cloudops_nb.storage.files.private_files import replace_private, sync_folder
from cloudops_nb.storage.files.store_file import StoreFile
from cloudops_nb.storage.keys.key_lookup import find_key, key_lock, key_sources
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudops_nb.settings import Settings

NOTE_NAME = "key.succession"


class _Note(BaseModel):
    """The fingerprints of the old key and of the new one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    old: str
    new: str

    @classmethod
    def read(cls, path: Path) -> Self | None:
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise InitialisationError(f"{path} cannot be read", type(error).__name__, "Remove it.") from None


def new_key_in_slot(settings: Settings, old_fingerprint: str) -> MasterKey:
    """Make a master key and keep it in a slot beside the store's present one.

    Raises:
        EncryptionError: The place of the present key cannot hold a second one.
        InitialisationError: The data path does not allow it, or the disk is full.
    """
    source = find_key(settings, old_fingerprint).source
    master = MasterKey.generate()
    fingerprint = StoreKeys(master).fingerprint
    slot = source.slot(fingerprint) if source.writable else None
    if slot is None:
        fix = "Take the key to a key file first: key export, then key import with key_source set to file."
        raise EncryptionError("the store cannot get another key", f"{source.name} cannot hold a second one", fix)
    note = _Note(old=old_fingerprint, new=fingerprint)
    path = settings.data_path / NOTE_NAME
    # The note comes first, so that a key which nobody needs is found again.
    with _reported(path):
        replace_private(path, note.model_dump_json().encode())
    slot.save(master)
    return master


def finish_succession(settings: Settings) -> None:
    """Do what an earlier succession left to do: the store's key goes to the first place, the old one to a slot.

    If the store never went over, the new key's slot is emptied. The caller is alone with the store.

    Raises:
        EncryptionError: A key source cannot be read or written just now; a later call tries again.
        InitialisationError: The note cannot be read or removed.
    """
    path = settings.data_path / NOTE_NAME
    note, header = _Note.read(path), StoreFile(settings.data_path).read()
    if note is None or header is None:
        return
    with key_lock(settings):
        if header.key_fingerprint == note.new:
            _promote(settings, note)
        elif header.key_fingerprint == note.old:
            _empty_slots(settings, note.new)
    with _reported(path):
        path.unlink()
        sync_folder(settings.data_path)


def _promote(settings: Settings, note: _Note) -> None:
    found = find_key(settings, note.new)
    if found.place is not found.source:
        first = found.source.load()
        slot = found.source.slot(note.old)
        if slot is None or (first is not None and StoreKeys(first).fingerprint != note.old):
            return  # the first place has the key of other stores, which stays
        if first is not None:
            slot.save(first)
        found.source.save(found.key)
    _empty_slots(settings, note.new)


def _empty_slots(settings: Settings, fingerprint: str) -> None:
    """Remove a new key from its slot: it is in the first place, or no store went over to it."""
    for source in key_sources(settings):
        slot = source.slot(fingerprint)
        key = slot.load() if slot is not None else None
        if slot is not None and key is not None and StoreKeys(key).fingerprint == fingerprint:
            slot.remove()


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InitialisationError(f"cannot write {path}", error.strerror or "") from error
