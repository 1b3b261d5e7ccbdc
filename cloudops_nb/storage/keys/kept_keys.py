"""The keys that stores went over from: they stay in their slots until a person removes them.

Nothing on this host can know that a key is needed no more: other stores may share it, under other settings or on disks
that are not mounted, and backups lie anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import EncryptionError, KeyMissingError
from cloudops_nb.storage.files.store_file import StoreFile
from cloudops_nb.storage.keys.key_lookup import key_lock, key_sources
from cloudops_nb.storage.keys.master_key import StoreKeys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.keys.key_sources import KeySource


@dataclass(frozen=True)
class KeptKey:
    """A key's fingerprint, and the slot that it lies in."""

    fingerprint: str
    place: KeySource


def kept_keys(settings: Settings, known: Iterable[str] = ()) -> list[KeptKey]:
    """Return every key in a slot but the store's present one.

    Args:
        settings: The store's settings.
        known: Fingerprints to look for beside those that a source lists, as a keyring lists none.

    Raises:
        EncryptionError: A source cannot be read just now.
        StoreCorruptedError: ``store.json`` is damaged.
    """
    header = StoreFile(settings.data_path).read()
    present = header.key_fingerprint if header else ""
    found = []
    for source in key_sources(settings):
        for fingerprint in sorted({*source.kept(), *known} - {present}):
            slot = source.slot(fingerprint)
            if slot is not None and _holds(slot, fingerprint):
                found.append(KeptKey(fingerprint, slot))
    return found


def removable_key(settings: Settings, fingerprint: str) -> list[KeptKey]:
    """Return the slots that a key which may be removed lies in.

    Raises:
        EncryptionError: It is the store's present key, or a source cannot be read just now.
        KeyMissingError: It lies in no slot.
    """
    header = StoreFile(settings.data_path).read()
    if header is not None and header.key_fingerprint == fingerprint:
        fix = "Take the store to another key first: cloudops-nb key rekey."
        raise EncryptionError(f"the key {fingerprint[:8]}… was not removed", "the store opens with it", fix)
    kept = [one for one in kept_keys(settings, [fingerprint]) if one.fingerprint == fingerprint]
    if not kept:
        raise KeyMissingError(f"no key {fingerprint} is kept", "", "List the kept ones: cloudops-nb key show.")
    return kept


def remove_key(settings: Settings, fingerprint: str) -> list[KeptKey]:
    """Remove a key from its slots, and return where it lay.

    Raises:
        EncryptionError: As :func:`removable_key`, or a source cannot be written just now.
        KeyMissingError: As :func:`removable_key`.
    """
    with key_lock(settings):
        kept = removable_key(settings, fingerprint)
        for one in kept:
            one.place.remove()
    return kept


def _holds(slot: KeySource, fingerprint: str) -> bool:
    key = slot.load()
    return key is not None and StoreKeys(key).fingerprint == fingerprint
