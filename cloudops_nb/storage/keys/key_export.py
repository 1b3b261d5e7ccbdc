"""Exports the master key as a small text file under a passphrase, as a backup or for another machine.

scrypt (RFC 7914) derives a wrapping key from the passphrase. AES-256-GCM encrypts the master key under it and
authenticates every other field of the file.
"""

from __future__ import annotations

import os
import secrets
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloudops_nb.errors import ConfigurationError, EncryptionError, KeyMissingError, WrongKeyError
from cloudops_nb.storage.files.private_files import sync_folder
from cloudops_nb.storage.files.store_file import StoreFile, prepare_data_path
from cloudops_nb.storage.keys.key_lookup import find_master_key, key_lock, key_sources
from cloudops_nb.storage.keys.master_key import KEY_BYTES, MasterKey, StoreKeys

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.files.store_file import StoreHeader
    from cloudops_nb.storage.keys.key_sources import KeySource

#: The shortest passphrase, in characters.
SHORTEST_PASSPHRASE = 12
#: The scrypt parameters of a new export, which take 128 MiB of memory.
_COST, _BLOCK, _PARALLEL = 2**17, 8, 1
#: The largest file, and the most memory for scrypt, that an import accepts, in bytes: a hostile file cannot take more.
LARGEST_EXPORT, MOST_MEMORY = 16_384, 512 * 1024 * 1024
_SALT_BYTES, _NONCE_BYTES = 32, 12


class _Export(BaseModel):
    """The content of the file: the derivation of the wrapping key, the key's fingerprint, and the wrapped key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cloudops: Literal["encryption key"] = "encryption key"
    version: Literal[1] = 1
    fingerprint: str = Field(pattern="^[0-9a-f]{32}$")
    kdf: Literal["scrypt"] = "scrypt"
    cost: int = Field(default=_COST, ge=2**14, le=2**22)
    block: int = Field(default=_BLOCK, ge=1, le=32)
    parallel: int = Field(default=_PARALLEL, ge=1, le=4)
    salt: str = Field(pattern="^[0-9a-f]{64}$")
    nonce: str = Field(pattern="^[0-9a-f]{24}$")
    wrapped: str = Field(default="", pattern="^([0-9a-f]{2})*$")


def export_key(master: MasterKey, passphrase: str) -> str:
    """Wrap a master key under a passphrase; takes about half a second and 128 MiB, to slow down guessing.

    Raises:
        ConfigurationError: The passphrase is shorter than :data:`SHORTEST_PASSPHRASE`.
    """
    if len(_normalised(passphrase)) < SHORTEST_PASSPHRASE:
        why = f"it has fewer than {SHORTEST_PASSPHRASE} characters"
        raise ConfigurationError("the passphrase is too short", why, "Use several words.")
    salt, nonce = secrets.token_hex(_SALT_BYTES), secrets.token_hex(_NONCE_BYTES)
    export = _Export(fingerprint=StoreKeys(master).fingerprint, salt=salt, nonce=nonce)
    cipher, raw = AESGCM(_wrapping_key(export, passphrase)), bytes.fromhex(master.hex())
    wrapped = cipher.encrypt(bytes.fromhex(nonce), raw, _authenticated_fields(export)).hex()
    return export.model_copy(update={"wrapped": wrapped}).model_dump_json(indent=2) + "\n"


def unwrap_key(text: str, passphrase: str) -> MasterKey:
    """Return the master key of an export.

    Raises:
        EncryptionError: The text is not an export or was modified, or the passphrase is wrong.
    """
    export = _parsed_export(text)
    try:
        cipher = AESGCM(_wrapping_key(export, passphrase))
        raw = cipher.decrypt(bytes.fromhex(export.nonce), bytes.fromhex(export.wrapped), _authenticated_fields(export))
    except InvalidTag:
        why = "wrong passphrase, or the file was modified"
        raise EncryptionError("the exported key does not open", why) from None
    master = MasterKey(raw)
    if StoreKeys(master).fingerprint != export.fingerprint:
        raise EncryptionError("the exported key does not open", "it is not the key that the file names")
    return master


def export_store_key(settings: Settings, passphrase: str) -> str:
    """Wrap the key of the store in the data path.

    Raises:
        ConfigurationError: The passphrase is too short.
        KeyMissingError: There is no store, or no key for it.
        EncryptionError: A key source cannot be read at the moment, or the sources have only keys of other stores.
    """
    header = StoreFile(settings.data_path).read()
    if header is None:
        raise KeyMissingError(f"there is no store in {settings.data_path}", "", "Scan first, or set data_path.")
    return export_key(find_master_key(settings, header.key_fingerprint), passphrase)


def keep_key(settings: Settings, master: MasterKey, *, needed: bool) -> KeySource:
    """Save a key where the data path's store, or the next store made there, finds it.

    An existing key is never replaced.

    Args:
        settings: The data path and the key's source.
        master: The key.
        needed: Whether the data path has a store that needs the key; only then may the key go into a slot.

    Returns:
        The place of the key, which may have held it before.

    Raises:
        WrongKeyError: The place that this key needs holds another one.
        KeyMissingError: No source can hold a key.
        EncryptionError: A source cannot be read or written at the moment.
    """
    prepare_data_path(settings.data_path)
    with key_lock(settings):
        place = _place_for(settings, master, StoreKeys(master).fingerprint, needed=needed)
        if place.load() != master:
            place.save(master)
    return place


def wrong_key_error(settings: Settings, header: StoreHeader, fingerprint: str) -> WrongKeyError:
    """Return the error for importing a key that is not the store's."""
    why = f"the exported key is {fingerprint[:8]}…, the store's is {header.key_fingerprint[:8]}…"
    return WrongKeyError(f"the key is not that of the store in {settings.data_path}", why, "Set another data_path.")


def write_export(file: Path, text: str) -> None:
    """Write an export to a new file that only its owner can read.

    The whole file survives a power cut once this returns; after an error there is no file.

    Raises:
        ConfigurationError: The file exists, or cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{file} exists already", "", "Name a new file.") from None
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}", error.strerror or "") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(file.parent)
    except OSError as error:
        with suppress(OSError):
            file.unlink()
        raise ConfigurationError(f"cannot write {file}", error.strerror or "") from error
    except BaseException:  # Ctrl-C included: half a file is not an export
        file.unlink(missing_ok=True)
        raise


def _place_for(settings: Settings, master: MasterKey, fingerprint: str, *, needed: bool) -> KeySource:
    """Return the first writable source if it is empty or has this key, or its slot if a store needs the key."""
    source = next((source for source in key_sources(settings) if source.writable), None)
    if source is None:
        names = ", ".join(source.name for source in key_sources(settings))
        raise KeyMissingError("the key cannot be saved", f"{names} cannot hold it", "Set key_source to file.")
    present = source.load()
    if present is None or present == master:
        return source
    slot = source.slot(fingerprint) if needed else None
    if slot is None:
        fix = "Set key_file to a file of its own for this data_path."
        raise WrongKeyError("the key was not imported", f"{source.name} holds another key, which stays", fix)
    return slot


def _parsed_export(text: str) -> _Export:
    try:
        export = _Export.model_validate_json(text if len(text) <= LARGEST_EXPORT else "")
    except ValidationError:
        raise EncryptionError("the file is not an exported key", "", "Give the file that key export wrote.") from None
    # The bounds of the single numbers would together still allow 16 GiB.
    memory = 128 * export.block * (export.cost + export.parallel)
    if memory > MOST_MEMORY or export.cost & (export.cost - 1):
        raise EncryptionError("the file is not an exported key", "it asks for more memory than any export does")
    return export


def _wrapping_key(export: _Export, passphrase: str) -> bytes:
    salt = bytes.fromhex(export.salt)
    derivation = Scrypt(salt=salt, length=KEY_BYTES, n=export.cost, r=export.block, p=export.parallel)
    return derivation.derive(_normalised(passphrase).encode("utf-8", "surrogatepass"))


def _authenticated_fields(export: _Export) -> bytes:
    return export.model_dump_json(exclude={"wrapped"}).encode()


def _normalised(passphrase: str) -> str:
    """Return one form of the passphrase: keyboards of different systems compose the same letter differently."""
    return unicodedata.normalize("NFKC", passphrase)
