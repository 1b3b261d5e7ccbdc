"""The envelope of every encrypted value: AES-256-GCM under a data key, bound to one record.

Layout: version (1 byte) | key id (4, big-endian: the data key's generation) | nonce (12) | ciphertext | tag (16).
The additional data is ``collection`` + 0x00 + ``point id``, so an envelope that was moved to another record does not
decrypt.
"""

from __future__ import annotations

import secrets
import struct
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloudops_nb.errors import CloudOpsWarning, DecryptionError, EncryptionError
from cloudops_nb.storage.encryption.decrypt_alarm import DecryptAlarm
from cloudops_nb.storage.files.store_file import FIRST_GENERATION
from cloudops_nb.storage.keys.master_key import KeyHolder

if TYPE_CHECKING:
    from cloudops_nb.storage.keys.master_key import StoreKeys

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16
_HEADER = struct.Struct(">BI")
#: The bytes that an envelope adds to its plaintext.
OVERHEAD = _HEADER.size + NONCE_BYTES + TAG_BYTES


class Envelope(KeyHolder):
    """Encrypts and decrypts envelopes; safe to share between threads.

    Args:
        keys: The store's keys; new envelopes are encrypted under their generation.
        oldest: The oldest generation that is not retired.

    Attributes:
        generation: The generation of the data key that encrypts new envelopes.
        alarm: Counts failed decryptions, and warns about a series of them.
    """

    __slots__ = ("_cipher", "_oldest", "alarm", "generation")

    def __init__(self, keys: StoreKeys, oldest: int = FIRST_GENERATION) -> None:
        self.generation = keys.generation
        self._oldest = oldest
        self._cipher = lru_cache(maxsize=64)(lambda generation: AESGCM(keys.data_key(generation)))
        self.alarm = DecryptAlarm()

    def seal(self, plaintext: bytes, *, collection: str, point_id: str) -> bytes:
        """Encrypt with the current data key and a fresh random nonce; :data:`OVERHEAD` bytes longer.

        Raises:
            EncryptionError: ``collection`` contains a NUL character, which separates it from the point id.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher(self.generation).encrypt(nonce, plaintext, _additional_data(collection, point_id))
        return _HEADER.pack(VERSION, self.generation) + nonce + sealed

    def open(self, sealed: bytes, *, collection: str, point_id: str, retired: bool = False) -> bytes:
        """Decrypt an envelope that :meth:`seal` made for the same record, under a data key that is in use.

        Args:
            sealed: The envelope.
            collection: The collection that it was sealed for.
            point_id: The point id that it was sealed for.
            retired: Whether to accept a retired data key. For journal records, which are never re-encrypted because
                the chain's MACs cover their envelopes.

        Raises:
            DecryptionError: The envelope was truncated, altered or moved, has another key or version, or has a retired
                data key, which means that an old copy was put back.
        """
        try:
            return self._decrypted(sealed, collection, point_id, retired=retired)
        except DecryptionError:
            # With warnings as errors the alarm raises; the DecryptionError in flight says the same.
            with suppress(CloudOpsWarning):
                self.alarm.failed()
            raise

    def _decrypted(self, sealed: bytes, collection: str, point_id: str, *, retired: bool) -> bytes:
        generation = key_generation(sealed)
        if generation < self._oldest and not retired:
            raise DecryptionError(f"an envelope of {collection} does not open", "its data key was retired")
        body = _HEADER.size + NONCE_BYTES
        try:
            cipher = self._cipher(generation)
            return cipher.decrypt(sealed[_HEADER.size : body], sealed[body:], _additional_data(collection, point_id))
        except (InvalidTag, EncryptionError):
            why = "it was altered, moved from another record, or sealed under another key"
            raise DecryptionError(f"an envelope of {collection} does not open", why) from None


def key_generation(sealed: bytes) -> int:
    """Return the data key's generation from an envelope's header, without decrypting it.

    Raises:
        DecryptionError: The bytes are too short for an envelope, or have an unknown version.
    """
    if len(sealed) < OVERHEAD:
        raise DecryptionError("an envelope does not open", f"it was truncated to {len(sealed)} bytes")
    version, generation = _HEADER.unpack_from(sealed)
    if version != VERSION:
        raise DecryptionError("an envelope does not open", f"its version {version} is unknown")
    return int(generation)


def _additional_data(collection: str, point_id: str) -> bytes:
    if "\0" in collection:
        raise EncryptionError("an envelope cannot be bound to its record", "the collection's name contains NUL")
    return f"{collection}\0{point_id}".encode()
