"""Replaces a store's master key in its key source; if the process is killed at any moment, neither key is lost.

A slot is a place in a key source for one further key. Until the store uses the new key, the new key is in a slot; then
it moves to the source itself, and the old key to a slot. If the source itself holds the key of other stores, both keys
stay in slots. The file ``key.succession`` in the data path holds the fingerprints of both keys. This module never
removes the old key; a person can, see :mod:`cloudops_nb.storage.keys.kept_keys`.
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
    """The content of ``key.succession``: the fingerprints of the old key and the new key."""

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
            raise InitialisationError(f"cannot read {path}", type(error).__name__, "Delete the file.") from None


def new_key_in_slot(settings: Settings, old_fingerprint: str) -> MasterKey:
    """Make a master key, and save it in a slot of the key source that holds the store's current key.

    Raises:
        EncryptionError: The source is not writable or has no slots.
        InitialisationError: ``key.succession`` cannot be written.
    """
    source = find_key(settings, old_fingerprint).source
    master = MasterKey.generate()
    fingerprint = StoreKeys(master).fingerprint
    slot = source.slot(fingerprint) if source.writable else None
    if slot is None:
        fix = "Move the key to a key file first: run key export, set key_source to file, then run key import."
        raise EncryptionError("cannot change the store's key", f"{source.name} cannot hold a second key", fix)
    note = _Note(old=old_fingerprint, new=fingerprint)
    path = settings.data_path / NOTE_NAME
    # Write the note first, so that finish_succession() can find and remove the new key if the store never uses it.
    with _write_errors(path):
        replace_private(path, note.model_dump_json().encode())
    slot.save(master)
    return master


def finish_succession(settings: Settings) -> None:
    """Finish a key change, if one was started: move the new key to the source, and the old key to a slot.

    If the store still uses the old key, remove the new key instead. The caller holds the store exclusively.

    Raises:
        EncryptionError: A key source cannot be read or written at the moment; a later call tries again.
        InitialisationError: ``key.succession`` cannot be read or removed.
    """
    path = settings.data_path / NOTE_NAME
    note, header = _Note.read(path), StoreFile(settings.data_path).read()
    if note is None or header is None:
        return
    with key_lock(settings):
        if header.key_fingerprint == note.new:
            _move_to_source(settings, note)
        elif header.key_fingerprint == note.old:
            _empty_slots(settings, note.new)
    with _write_errors(path):
        path.unlink()
        sync_folder(settings.data_path)


def _move_to_source(settings: Settings, note: _Note) -> None:
    found = find_key(settings, note.new)
    if found.place is not found.source:
        source_key = found.source.load()
        slot = found.source.slot(note.old)
        if slot is None or (source_key is not None and StoreKeys(source_key).fingerprint != note.old):
            return  # the source holds a key of other stores, which must stay; the new key stays in its slot
        if source_key is not None:
            slot.save(source_key)
        found.source.save(found.key)
    _empty_slots(settings, note.new)


def _empty_slots(settings: Settings, fingerprint: str) -> None:
    """Remove the new key from its slots: either the source itself holds it now, or the store does not use it."""
    for source in key_sources(settings):
        slot = source.slot(fingerprint)
        key = slot.load() if slot is not None else None
        if slot is not None and key is not None and StoreKeys(key).fingerprint == fingerprint:
            slot.remove()


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InitialisationError(f"cannot write {path}", error.strerror or "") from error
