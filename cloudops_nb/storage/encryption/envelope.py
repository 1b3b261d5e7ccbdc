"""Envelopes: values encrypted by AES-256-GCM under a data key, each bound to one record.

Layout: version (1 byte) | key id (4, big-endian: the data key's generation) | nonce (12) | ciphertext | tag (16).
The additional data is ``collection`` + 0x00 + ``point id``, so an envelope that was moved to a different record cannot
be decrypted. An envelope may also be bound to unencrypted bytes of its record: then the additional data continues with
0x00 + these bytes, and the envelope cannot be decrypted if the bytes were altered.

A data key is retired after a newer data key has replaced it and all envelopes, except those of journal records and of
the schedule, have been re-encrypted under the newer data key.
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
        keys: The store's keys; their ``generation`` names the data key that encrypts new envelopes.
        oldest: The oldest generation whose data key is not retired.

    Attributes:
        generation: The generation of the data key that encrypts new envelopes.
        alarm: Counts failed decryptions, and warns about a series of them.
    """

    __slots__ = ("_cipher", "_keys", "_oldest", "alarm", "generation")

    def __init__(self, keys: StoreKeys, oldest: int = FIRST_GENERATION) -> None:
        self._keys = keys
        self.generation = keys.generation
        self._oldest = oldest
        self._cipher = lru_cache(maxsize=64)(lambda generation: AESGCM(keys.data_key(generation)))
        self.alarm = DecryptAlarm()

    def with_own_alarm(self) -> Envelope:
        """Return an envelope with the same keys whose failures do not count in this one's alarm."""
        return Envelope(self._keys, self._oldest)

    def seal(self, plaintext: bytes, *, collection: str, point_id: str, bound: bytes = b"") -> bytes:
        """Encrypt a value under the current data key with a random nonce; the result is :data:`OVERHEAD` bytes longer.

        Args:
            plaintext: The value.
            collection: The name of the collection of the value's record.
            point_id: The id of the value's record.
            bound: Unencrypted bytes of the record, without which the envelope cannot be decrypted. No bytes that begin
                with valid UTF-8 may be given, because these could also be the end of a point id.

        Raises:
            EncryptionError: ``collection`` contains a NUL character, which separates ``collection`` and ``point_id``.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher(self.generation).encrypt(nonce, plaintext, _additional_data(collection, point_id, bound))
        return _HEADER.pack(VERSION, self.generation) + nonce + sealed

    def open(
        self, sealed: bytes, *, collection: str, point_id: str, bound: bytes = b"", retired: bool = False
    ) -> bytes:
        """Decrypt an envelope that :meth:`seal` made for the same record.

        Args:
            sealed: The envelope.
            collection: The collection that the envelope was made for.
            point_id: The point id that the envelope was made for.
            bound: The unencrypted bytes that the envelope was bound to.
            retired: If true, accept a retired data key. Journal records need this: they are never re-encrypted,
                because the MACs of the journal's chain cover their envelopes.

        Raises:
            DecryptionError: The envelope was altered, truncated or moved, its bound bytes were altered, its version is
                unknown, its key is another store's, or its data key is retired, which means that an old copy was put
                back.
        """
        try:
            return self._decrypted(sealed, collection, _additional_data(collection, point_id, bound), retired=retired)
        except DecryptionError:
            self.record_failure()
            raise

    def record_failure(self) -> None:
        """Count a failed decryption in the alarm."""
        # If warnings are errors, the alarm's warning must not replace the DecryptionError.
        with suppress(CloudOpsWarning):
            self.alarm.record_failure()

    def _decrypted(self, sealed: bytes, collection: str, additional_data: bytes, *, retired: bool) -> bytes:
        generation = key_generation(sealed)
        what = f"an encrypted value of {collection} cannot be decrypted"
        if generation < self._oldest and not retired:
            raise DecryptionError(what, "its data key was retired")
        body = _HEADER.size + NONCE_BYTES
        try:
            cipher = self._cipher(generation)
            return cipher.decrypt(sealed[_HEADER.size : body], sealed[body:], additional_data)
        except (InvalidTag, EncryptionError):
            why = "it was altered, moved from another record, or encrypted under a different key"
            raise DecryptionError(what, why) from None


def key_generation(sealed: bytes) -> int:
    """Return the generation of an envelope's data key from the envelope's header, without decrypting the envelope.

    Raises:
        DecryptionError: The bytes are too short for an envelope, or the envelope's version is unknown.
    """
    if len(sealed) < OVERHEAD:
        raise DecryptionError("an encrypted value cannot be decrypted", f"it was truncated to {len(sealed)} bytes")
    version, generation = _HEADER.unpack_from(sealed)
    if version != VERSION:
        raise DecryptionError("an encrypted value cannot be decrypted", f"its version {version} is unknown")
    return int(generation)


def _additional_data(collection: str, point_id: str, bound: bytes) -> bytes:
    if "\0" in collection:
        raise EncryptionError("a value cannot be encrypted", "the name of its collection contains a NUL character")
    record = f"{collection}\0{point_id}".encode()
    return record + b"\0" + bound if bound else record
