"""Finds the master key of an existing store by its fingerprint, and finds or makes a key for a new store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import platformdirs

from cloudops_nb.errors import ConfigurationError, KeyMissingError, WrongKeyError
from cloudops_nb.storage.files.private_files import creation_lock
from cloudops_nb.storage.keys.key_sources import EnvironmentSource, FileSource, KeySource
from cloudops_nb.storage.keys.master_key import RESTORE_KEY, MasterKey, StoreKeys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cloudops_nb.settings import Settings


def key_sources(settings: Settings) -> Sequence[KeySource]:
    """Return the key sources that the settings allow, in the order in which they are searched.

    Raises:
        ConfigurationError: ``key_file`` is set, and ``key_source`` is ``keyring`` or ``environment``.
    """
    if settings.key_file is not None and settings.key_source in ("keyring", "environment"):
        why = f"key_file is set, and key_source is {settings.key_source}"
        raise ConfigurationError("the key settings contradict each other", why, "Remove one of them.")
    if settings.key_file is not None or settings.key_source == "file":
        return [FileSource(key_file(settings))]
    if settings.key_source == "environment":
        return [EnvironmentSource()]
    # Imported here, because importing ``keyring`` loads every installed backend.
    from cloudops_nb.storage.keys.keyring_source import KeyringSource

    if settings.key_source == "keyring":
        return [KeyringSource(add_ons=True)]
    # Without an explicit ``key_source``, skip the keyring's add-on backends, which may prompt on the terminal.
    return [KeyringSource(add_ons=False), FileSource(key_file(settings)), EnvironmentSource()]


def key_file(settings: Settings) -> Path:
    """Return the key file: the one in the settings, or ``encryption.key`` in the user's configuration folder."""
    return settings.key_file or platformdirs.user_config_path("cloudops", appauthor=False) / "encryption.key"


@dataclass(frozen=True)
class FoundKey:
    """A store's key and the place that held it.

    A source holds one key, and may hold further keys in slots, one per fingerprint. ``place`` is ``source`` or one of
    its slots.
    """

    key: MasterKey
    place: KeySource
    source: KeySource


def find_key(settings: Settings, fingerprint: str) -> FoundKey:
    """Find an existing store's key by the key's fingerprint, in the key sources and their slots.

    Raises:
        KeyMissingError: No source holds a key.
        WrongKeyError: The sources hold only keys of other stores.
        EncryptionError: A source cannot be read at the moment.
    """
    wrong_places = []
    for source in key_sources(settings):
        for place in (source, source.slot(fingerprint)):
            key = place.load() if place else None
            if place and key and StoreKeys(key).fingerprint == fingerprint:
                return FoundKey(key, place, source)
            if place and key:
                wrong_places.append(place.name)
    if wrong_places:
        why = f"only keys of other stores were found in {' and '.join(wrong_places)}"
        raise WrongKeyError(f"cannot open the store in {settings.data_path}", why, RESTORE_KEY)
    raise _key_missing_error(settings, f"for the store in {settings.data_path}", RESTORE_KEY)


def find_master_key(settings: Settings, fingerprint: str) -> MasterKey:
    """Return the key of an existing store; raises as :func:`find_key` does."""
    return find_key(settings, fingerprint).key


def find_or_make_master_key(settings: Settings) -> MasterKey:
    """Return a key for a new store: the first key in the sources.

    If no source has a key, make one and save it in the first writable source. Processes with the same key file take
    turns, even if their data paths differ, so that all get the same key.

    Raises:
        KeyMissingError: No source holds a key, and no source is writable.
        EncryptionError: A source cannot be read or written at the moment.
        InitialisationError: The lock file next to the key file cannot be created.
    """
    with key_lock(settings):
        return _found_or_made(settings)


def key_lock(settings: Settings) -> AbstractContextManager[None]:
    """Return the lock that a process must hold while it makes, replaces or removes a key.

    Raises:
        InitialisationError: The lock file cannot be created, or another process holds it for too long.
    """
    path = key_file(settings)
    return creation_lock(path.with_name(f"{path.name}.lock"))


def _found_or_made(settings: Settings) -> MasterKey:
    sources = key_sources(settings)
    for source in sources:
        key = source.load()
        if key is not None:
            return key
    for source in sources:
        if source.writable:
            key = MasterKey.generate()
            source.save(key)
            return key
    fix = "Save a key in this place, or set key_source to file."
    raise _key_missing_error(settings, f"for a new store in {settings.data_path}", fix)


def _key_missing_error(settings: Settings, purpose: str, fix: str) -> KeyMissingError:
    names = ", ".join(source.name for source in key_sources(settings))
    return KeyMissingError(f"no encryption key {purpose}", f"looked in {names}", fix)
