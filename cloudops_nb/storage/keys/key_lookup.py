"""Finds and checks a store's master key, and makes one for an empty store only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import platformdirs

from cloudops_nb.errors import ConfigurationError, KeyMissingError, WrongKeyError
from cloudops_nb.storage.files.private_files import creation_lock
from cloudops_nb.storage.keys.key_sources import EnvironmentSource, FileSource, KeySource
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cloudops_nb.settings import Settings

_LOST = "Restore the key from its export or backup; without it the data cannot be read."


def key_sources(settings: Settings) -> Sequence[KeySource]:
    """Return the places to look for the master key, in order.

    Raises:
        ConfigurationError: ``key_file`` is set together with a ``key_source`` other than a file.
    """
    if settings.key_file is not None and settings.key_source in ("keyring", "environment"):
        why = f"key_file is set, and key_source is {settings.key_source}"
        raise ConfigurationError("the key settings contradict each other", why, "Remove one of them.")
    if settings.key_file is not None or settings.key_source == "file":
        return [FileSource(key_file(settings))]
    if settings.key_source == "environment":
        return [EnvironmentSource()]
    # Imported only where a keyring is used: it loads every installed backend.
    from cloudops_nb.storage.keys.keyring_source import KeyringSource

    if settings.key_source == "keyring":
        return [KeyringSource(add_ons=True)]
    # The user chose no backend here, so do not use one that may prompt on the terminal.
    return [KeyringSource(add_ons=False), FileSource(key_file(settings)), EnvironmentSource()]


def key_file(settings: Settings) -> Path:
    """Return the key file: the one in the settings, or ``encryption.key`` in the user's configuration folder."""
    return settings.key_file or platformdirs.user_config_path("cloudops", appauthor=False) / "encryption.key"


@dataclass(frozen=True)
class FoundKey:
    """A store's key, the place that holds it, and the source that this place is or is a slot of."""

    key: MasterKey
    place: KeySource
    source: KeySource


def find_key(settings: Settings, fingerprint: str) -> FoundKey:
    """Find the key of an existing store by its fingerprint, in the sources and their slots.

    Raises:
        KeyMissingError: No source has a key.
        WrongKeyError: The sources have only keys of other stores.
        EncryptionError: A source cannot be read at the moment.
    """
    wrong = []
    for source in key_sources(settings):
        for place in (source, source.slot(fingerprint)):
            key = place.load() if place else None
            if place and key and StoreKeys(key).fingerprint == fingerprint:
                return FoundKey(key, place, source)
            if place and key:
                wrong.append(place.name)
    if wrong:
        why = f"{' and '.join(wrong)} hold the key of another store"
        raise WrongKeyError(f"the store in {settings.data_path} does not open", why, _LOST)
    raise _key_missing_error(settings)


def find_master_key(settings: Settings, fingerprint: str) -> MasterKey:
    """Return the key that :func:`find_key` finds; raises as it does."""
    return find_key(settings, fingerprint).key


def find_or_make_master_key(settings: Settings) -> MasterKey:
    """Find a key for an empty store, or make one and save it in the first source that can hold it.

    Only one process of a host does this at a time, whatever its data path, so that all agree on one key.

    Raises:
        KeyMissingError: There is no key, and no source can hold a new one.
        EncryptionError: A source cannot be read or written at the moment.
        InitialisationError: The lock file next to the key file cannot be created.
    """
    with key_lock(settings):
        return _found_or_made(settings)


def key_lock(settings: Settings) -> AbstractContextManager[None]:
    """Return the lock between processes for making, replacing and removing keys.

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
    raise _key_missing_error(settings)


def _key_missing_error(settings: Settings) -> KeyMissingError:
    places = ", ".join(source.name for source in key_sources(settings))
    return KeyMissingError(f"no encryption key for the store in {settings.data_path}", f"looked in {places}", _LOST)
