"""Exports the master key, encrypted under a passphrase, to a small text file: a backup, or a copy for another machine.

scrypt (RFC 7914) derives the wrapping key from the passphrase. AES-256-GCM encrypts the master key under the wrapping
key, and authenticates every other field of the file.
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

#: The minimum length of a passphrase, in characters.
SHORTEST_PASSPHRASE = 12
#: The scrypt parameters N, r and p of a new export; with these values, scrypt takes 128 MiB of memory.
_COST, _BLOCK, _PARALLEL = 2**17, 8, 1
#: The maximum size of a file to import, in characters, so that a hostile file cannot fill the memory.
LARGEST_EXPORT = 16_384
#: The maximum memory for scrypt in an import, in bytes, because a hostile file can name any scrypt parameters.
MOST_SCRYPT_MEMORY = 512 * 1024 * 1024
_SALT_BYTES, _NONCE_BYTES = 32, 12


class _Export(BaseModel):
    """The content of the file: how the wrapping key is derived, and the master key's fingerprint and encrypted form."""

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
    # The encrypted master key. It is empty at first, because the encryption authenticates all other fields.
    wrapped: str = Field(default="", pattern="^([0-9a-f]{2})*$")


def export_key(master: MasterKey, passphrase: str) -> str:
    """Encrypt a master key under a passphrase; this takes about 0.5 s and 128 MiB, to slow down guessing.

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
    """Decrypt the master key in an export.

    Raises:
        EncryptionError: The text is not an export or was modified, or the passphrase is wrong.
    """
    export = _parsed_export(text)
    try:
        cipher = AESGCM(_wrapping_key(export, passphrase))
        raw = cipher.decrypt(bytes.fromhex(export.nonce), bytes.fromhex(export.wrapped), _authenticated_fields(export))
    except InvalidTag:
        why = "wrong passphrase, or the file was modified"
        raise EncryptionError("the exported key cannot be decrypted", why) from None
    master = MasterKey(raw)
    if StoreKeys(master).fingerprint != export.fingerprint:
        raise EncryptionError("the exported key is invalid", "its fingerprint is not the one that the file names")
    return master


def export_store_key(settings: Settings, passphrase: str) -> str:
    """Return the text of an export: the master key of the data path's store, encrypted under a passphrase.

    Raises:
        ConfigurationError: The passphrase is too short.
        KeyMissingError: There is no store, or no key source holds a key.
        EncryptionError: A key source cannot be read at the moment, or the sources hold only keys of other stores.
    """
    header = StoreFile(settings.data_path).read()
    if header is None:
        raise KeyMissingError(f"there is no store in {settings.data_path}", "", "Scan first, or set data_path.")
    return export_key(find_master_key(settings, header.key_fingerprint), passphrase)


def save_key(settings: Settings, master: MasterKey, *, needed: bool) -> KeySource:
    """Save a key in the first writable key source or in a slot of that source; an existing key is never replaced.

    A slot is a place in a key source for one further key.

    Args:
        settings: The data path and the key source.
        master: The key.
        needed: True if the store in the data path needs the key. If false, the key is not saved in a slot, because a
            new store looks for its key only in the source itself.

    Returns:
        The source or slot that holds the key now; the key may have been there already.

    Raises:
        WrongKeyError: The source holds a different key, and this key cannot be saved in a slot.
        KeyMissingError: No source is writable.
        EncryptionError: A source cannot be read or written at the moment.
    """
    prepare_data_path(settings.data_path)
    with key_lock(settings):
        place = _source_or_slot(settings, master, StoreKeys(master).fingerprint, needed=needed)
        if place.load() != master:
            place.save(master)
    return place


def wrong_key_error(settings: Settings, header: StoreHeader, fingerprint: str) -> WrongKeyError:
    """Return the error for importing a key that is not the store's."""
    why = f"the exported key is {fingerprint[:8]}…, and the store's key is {header.key_fingerprint[:8]}…"
    what = f"the exported key belongs to a different store than the one in {settings.data_path}"
    return WrongKeyError(what, why, "Set another data_path.")


def write_export(file: Path, text: str) -> None:
    """Write an export to a new file that only its owner can read.

    Once this function has returned, the whole file survives a power cut. If the write fails, no file is left.

    Raises:
        ConfigurationError: The file exists, or cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{file} already exists", "", "Give the name of a new file.") from None
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
    except BaseException:  # for example Ctrl-C; half a file is not an export
        file.unlink(missing_ok=True)
        raise


def _source_or_slot(settings: Settings, master: MasterKey, fingerprint: str, *, needed: bool) -> KeySource:
    """Return the first writable source; if this source holds a different key, return the given key's slot in it."""
    source = next((source for source in key_sources(settings) if source.writable), None)
    if source is None:
        why = f"no key source is writable: {', '.join(source.name for source in key_sources(settings))}"
        raise KeyMissingError("the key cannot be saved", why, "Set key_source to file.")
    existing = source.load()
    if existing is None or existing == master:
        return source
    slot = source.slot(fingerprint) if needed else None
    if slot is None:
        why = f"{source.name} holds a different key, which is not replaced"
        raise WrongKeyError("the key was not imported", why, "Set key_file to a separate file for this data_path.")
    return slot


def _parsed_export(text: str) -> _Export:
    try:
        export = _Export.model_validate_json(text if len(text) <= LARGEST_EXPORT else "")
    except ValidationError:
        fix = "Give a file that this command wrote: cloudops-nb key export."
        raise EncryptionError("the file is not an exported key", "", fix) from None
    # Parameters that are all within the limits of their fields could still take 16 GiB.
    memory = 128 * export.block * (export.cost + export.parallel)
    cost_is_power_of_two = export.cost & (export.cost - 1) == 0  # scrypt requires it
    if memory > MOST_SCRYPT_MEMORY or not cost_is_power_of_two:
        raise EncryptionError("the file is not an exported key", "its scrypt parameters are out of range")
    return export


def _wrapping_key(export: _Export, passphrase: str) -> bytes:
    salt = bytes.fromhex(export.salt)
    derivation = Scrypt(salt=salt, length=KEY_BYTES, n=export.cost, r=export.block, p=export.parallel)
    return derivation.derive(_normalised(passphrase).encode("utf-8", "surrogatepass"))


def _authenticated_fields(export: _Export) -> bytes:
    return export.model_dump_json(exclude={"wrapped"}).encode()


def _normalised(passphrase: str) -> str:
    """Return the passphrase in one Unicode form, because operating systems compose the same letter differently."""
    return unicodedata.normalize("NFKC", passphrase)
