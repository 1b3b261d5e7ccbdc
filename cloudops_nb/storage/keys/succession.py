"""A store's new master key in its place, and the old one out of it, whenever the process may be killed in between.

A note in the data path names both. The new key lies in a slot beside the old one until the store has gone over to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cloudops_nb.errors import EncryptionError, InitialisationError
from cloudops_nb.storage.keys.loading import find_key, key_file, key_lock, key_sources
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys
from cloudops_nb.storage.keys.users import KeyUsers
from cloudops_nb.storage.private_files import replace_private, sync_folder
from cloudops_nb.storage.store_file import StoreFile

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.keys.sources import KeySource

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


def new_key_beside(settings: Settings, old_fingerprint: str) -> MasterKey:
    """Make a master key and keep it in a slot beside the store's present one.

    Raises:
        EncryptionError: The place of the present key cannot hold a second one.
    """
    source = find_key(settings, old_fingerprint).source
    master = MasterKey.generate()
    fingerprint = StoreKeys(master).fingerprint
    slot = source.slot(fingerprint) if source.writable else None
    if slot is None:
        fix = "Take the key to a key file first: key export, then key import with key_source set to file."
        raise EncryptionError("the store cannot get another key", f"{source.name} cannot hold a second one", fix)
    note = _Note(old=old_fingerprint, new=fingerprint)
    # The note comes first, so that a key which nobody needs is found again.
    replace_private(settings.data_path / NOTE_NAME, note.model_dump_json().encode())
    slot.save(master)
    KeyUsers(key_file(settings)).follow(fingerprint)
    return master


def finish_succession(settings: Settings) -> str:
    """Do what an earlier succession left to do: the store's key goes to the first place, the other one away.

    An old key that others may need goes to a slot instead. The caller is alone with the store. Returns why the old key
    was kept; empty if it was not.

    Raises:
        EncryptionError: A key source cannot be read or written just now; a later call tries again.
    """
    path = settings.data_path / NOTE_NAME
    note, header = _Note.read(path), StoreFile(settings.data_path).read()
    if note is None or header is None:
        return ""
    kept_because = ""
    with key_lock(settings):
        if header.key_fingerprint == note.new:
            kept_because = _promote(settings, note)
        elif header.key_fingerprint == note.old:
            _remove(settings, note.new)
    path.unlink()
    sync_folder(settings.data_path)
    return kept_because


def _promote(settings: Settings, note: _Note) -> str:
    found = find_key(settings, note.new)
    kept_because = KeyUsers(key_file(settings)).why_needed(settings.data_path, note.old)
    first = found.source.load()
    if found.place is not found.source and (first is None or StoreKeys(first).fingerprint == note.old):
        slot = found.source.slot(note.old)
        if first is not None and slot is not None and kept_because:
            slot.save(first)
        found.source.save(found.key)
        found.place.remove()
    if not kept_because:
        _remove(settings, note.old)
    return kept_because


def _remove(settings: Settings, fingerprint: str) -> None:
    """Remove a key from every place that can be written to."""
    for source in key_sources(settings):
        for place in (source, source.slot(fingerprint)):
            if place is not None and place.writable and _fingerprint(place) == fingerprint:
                place.remove()


def _fingerprint(place: KeySource) -> str:
    key = place.load()
    return "" if key is None else StoreKeys(key).fingerprint
