"""How a store comes to its master key: found, checked, or, for an empty store only, made."""

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
    """The places to look for the master key, in order.

    Raises:
        ConfigurationError: ``key_file`` is set beside a ``key_source`` that is no file.
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
    # Nobody chose a backend here, so one that may prompt on the terminal is not used.
    return [KeyringSource(add_ons=False), FileSource(key_file(settings)), EnvironmentSource()]


def key_file(settings: Settings) -> Path:
    """The key file: the one in the settings, else ``encryption.key`` in the user's configuration folder."""
    return settings.key_file or platformdirs.user_config_path("cloudops", appauthor=False) / "encryption.key"


@dataclass(frozen=True)
class FoundKey:
    """A store's key, the place it lies in, and the source that the place is, or is a slot of."""

    key: MasterKey
    place: KeySource
    source: KeySource


def find_key(settings: Settings, fingerprint: str) -> FoundKey:
    """Find the key of an existing store: the first one whose fingerprint is the store's, slots included.

    Raises:
        KeyMissingError: No source has a key.
        WrongKeyError: The sources have keys, of other stores only.
        EncryptionError: A source cannot be read just now.
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
    raise _missing(settings)


def find_master_key(settings: Settings, fingerprint: str) -> MasterKey:
    """Return the key alone of what :func:`find_key` finds, and raise as it does."""
    return find_key(settings, fingerprint).key


def find_or_make_master_key(settings: Settings) -> MasterKey:
    """Find the key for an empty store, or make one and keep it in the first place that can.

    One process at a time does this on a host, whatever its data path, so that all agree on one key.

    Raises:
        KeyMissingError: There is no key, and no place to keep a new one.
        EncryptionError: A source cannot be read or written just now.
        InitialisationError: The folder of the key file does not allow a lock.
    """
    with key_lock(settings):
        return _first_key(settings)


def key_lock(settings: Settings) -> AbstractContextManager[None]:
    """The lock between processes for making, replacing and removing keys.

    Raises:
        InitialisationError: The folder of the key file does not allow it, or another process holds it for too long.
    """
    path = key_file(settings)
    return creation_lock(path.with_name(f"{path.name}.lock"))


def _first_key(settings: Settings) -> MasterKey:
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
    raise _missing(settings)


def _missing(settings: Settings) -> KeyMissingError:
    places = ", ".join(source.name for source in key_sources(settings))
    return KeyMissingError(f"no encryption key for the store in {settings.data_path}", f"looked in {places}", _LOST)
