"""The envelope that every encrypted value lies in: AES-256-GCM under a data key, bound to its place.

Layout: version (1 byte) | key id (4, big-endian: the data key's generation) | nonce (12) | ciphertext | tag (16).
The additional data is ``collection`` + 0x00 + ``point id``, so that an envelope moved to another record does not open.
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
from cloudops_nb.storage.keys.master_key import Secretive

if TYPE_CHECKING:
    from cloudops_nb.storage.keys.master_key import StoreKeys

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16
_HEADER = struct.Struct(">BI")
#: What an envelope adds to its plaintext, in bytes.
OVERHEAD = _HEADER.size + NONCE_BYTES + TAG_BYTES


class Envelope(Secretive):
    """Seals and opens envelopes; safe to share between threads.

    Args:
        keys: The store's keys; new envelopes are sealed under their generation.
        oldest: The oldest generation that is not retired.

    Attributes:
        generation: The generation of the data key that new envelopes are sealed under.
        alarm: Counts what did not open, and warns when it happens repeatedly.
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
            EncryptionError: ``collection`` contains a NUL character, which would blur the place.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher(self.generation).encrypt(nonce, plaintext, _place(collection, point_id))
        return _HEADER.pack(VERSION, self.generation) + nonce + sealed

    def open(self, sealed: bytes, *, collection: str, point_id: str, retired: bool = False) -> bytes:
        """Decrypt what :meth:`seal` made for the same place, under a data key that is in use.

        Args:
            sealed: The envelope.
            collection: Where it was sealed for.
            point_id: As ``collection``.
            retired: Whether a retired data key will do too: for the journal's records, which are never sealed anew
                because the chain's MACs cover their envelopes.

        Raises:
            DecryptionError: The envelope was cut, altered or moved, or is of another key or version, or of a retired
                data key, which means that an old copy was put back.
        """
        try:
            return self._opened(sealed, collection, point_id, retired=retired)
        except DecryptionError:
            # Where warnings are errors, the one that is on its way says the same.
            with suppress(CloudOpsWarning):
                self.alarm.failed()
            raise

    def _opened(self, sealed: bytes, collection: str, point_id: str, *, retired: bool) -> bytes:
        generation = key_generation(sealed)
        if generation < self._oldest and not retired:
            raise DecryptionError(f"an envelope of {collection} does not open", "its data key was retired")
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
