"""The envelope that every encrypted value lies in: AES-256-GCM under a data key, bound to its place.

Layout: version (1 byte) | key id (4, big-endian: the data key's generation) | nonce (12) | ciphertext | tag (16).
The additional data is ``collection`` + 0x00 + ``point id``, so that an envelope moved to another record does not open.
"""

from __future__ import annotations

import secrets
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloudops_nb.errors import DecryptionError, EncryptionError
from cloudops_nb.storage.secrecy import Secretive

if TYPE_CHECKING:
    from cloudops_nb.storage.keys import StoreKeys

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16
_HEADER = struct.Struct(">BI")
#: What an envelope adds to its plaintext, in bytes.
OVERHEAD = _HEADER.size + NONCE_BYTES + TAG_BYTES


class Envelope(Secretive):
    """Seals and opens envelopes; safe to share between threads."""

    __slots__ = ("_cipher", "_generation")

    def __init__(self, keys: StoreKeys) -> None:
        self._generation = keys.generation
        self._cipher = lru_cache(maxsize=64)(lambda generation: AESGCM(keys.data_key(generation)))

    def seal(self, plaintext: bytes, *, collection: str, point_id: str) -> bytes:
        """Encrypt with the current data key and a fresh random nonce; :data:`OVERHEAD` bytes longer.

        Raises:
            EncryptionError: ``collection`` contains a NUL character, which would blur the place.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher(self._generation).encrypt(nonce, plaintext, _place(collection, point_id))
        return _HEADER.pack(VERSION, self._generation) + nonce + sealed

    def open(self, sealed: bytes, *, collection: str, point_id: str) -> bytes:
        """Decrypt what :meth:`seal` made for the same place, under the current or an older data key.

        Raises:
            DecryptionError: The envelope was cut, altered or moved, or is of another key or version.
        """
        generation = key_generation(sealed)
        body = _HEADER.size + NONCE_BYTES
        try:
            cipher = self._cipher(generation)
            return cipher.decrypt(sealed[_HEADER.size : body], sealed[body:], _place(collection, point_id))
        except (InvalidTag, EncryptionError):
            why = "it was altered, moved from another record, or sealed under another key"
            raise DecryptionError(f"an envelope of {collection} does not open", why) from None


def key_generation(sealed: bytes) -> int:
    """Read, without opening it, under which generation of the data key an envelope was sealed.

    Raises:
        DecryptionError: The bytes are too short for an envelope, or of an unknown version.
    """
    if len(sealed) < OVERHEAD:
        raise DecryptionError("an envelope does not open", f"it was cut to {len(sealed)} bytes")
    version, generation = _HEADER.unpack_from(sealed)
    if version != VERSION:
        raise DecryptionError("an envelope does not open", f"its version {version} is unknown")
    return int(generation)


def _place(collection: str, point_id: str) -> bytes:
    if "\0" in collection:
        raise EncryptionError("an envelope cannot be bound to its place", "the collection's name contains NUL")
    return f"{collection}\0{point_id}".encode()
