"""Lists and removes earlier master keys, which stay in slots of a key source until a person removes them.

A slot is a keyring entry or a file that holds one further key, and whose name ends with the key's fingerprint. No
program can know that a key is no longer needed: other stores, with other settings or on disks that are not mounted, may
share the key, and backups may be anywhere.
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
    """The fingerprint of an earlier master key, and the slot that holds the key (``place``)."""

    fingerprint: str
    place: KeySource


def kept_keys(settings: Settings, known: Iterable[str] = ()) -> list[KeptKey]:
    """Return the keys in the slots of all key sources, except the store's current key.

    Args:
        settings: The store's settings.
        known: Fingerprints of keys that may be in a keyring's slots. A keyring cannot list its slots, so only the
            slots of these keys are looked up in it.

    Raises:
        EncryptionError: A key source cannot be read at the moment.
        StoreCorruptedError: ``store.json`` is damaged.
    """
    header = StoreFile(settings.data_path).read()
    current = header.key_fingerprint if header else ""
    found = []
    for source in key_sources(settings):
        for fingerprint in sorted({*source.kept(), *known} - {current}):
            slot = source.slot(fingerprint)
            if slot is not None and _holds_key(slot, fingerprint):
                found.append(KeptKey(fingerprint, slot))
    return found


def removable_key(settings: Settings, fingerprint: str) -> list[KeptKey]:
    """Return the slots that hold a key, after checking that the key may be removed.

    Raises:
        EncryptionError: The key is the store's current key, or a key source cannot be read at the moment.
        KeyMissingError: No slot holds the key.
    """
    header = StoreFile(settings.data_path).read()
    if header is not None and header.key_fingerprint == fingerprint:
        fix = "Change the store's key first: cloudops-nb key rekey."
        raise EncryptionError(f"the key {fingerprint[:8]}… was not removed", "it is the store's current key", fix)
    kept = [key for key in kept_keys(settings, [fingerprint]) if key.fingerprint == fingerprint]
    if not kept:
        raise KeyMissingError(f"no slot holds the key {fingerprint}", "", "List the kept keys: cloudops-nb key show.")
    return kept


def remove_key(settings: Settings, fingerprint: str) -> list[KeptKey]:
    """Remove a key from its slots, and return those slots.

    Raises:
        EncryptionError: As :func:`removable_key`, or a key source cannot be written at the moment.
        KeyMissingError: As :func:`removable_key`.
    """
    with key_lock(settings):
        kept = removable_key(settings, fingerprint)
        for key in kept:
            key.place.remove()
    return kept


def _holds_key(slot: KeySource, fingerprint: str) -> bool:
    key = slot.load()
    return key is not None and StoreKeys(key).fingerprint == fingerprint
