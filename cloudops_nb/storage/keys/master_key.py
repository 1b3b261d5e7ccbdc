"""The master key, and the keys derived from it by HKDF-SHA256 (RFC 5869).

A data key encrypts values. Data keys have numbered generations, because a new data key does not need a new master key.
The index key, the journal key and the seed of the matrix that rotates vectors have no generations: the keyed hashes,
MACs and rotated vectors that depend on them stay the same when the data key changes.
"""

from __future__ import annotations

import hmac
import secrets
from functools import lru_cache
from typing import NoReturn, Self, SupportsIndex

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cloudops_nb.errors import EncryptionError
from cloudops_nb.storage.files.store_file import FIRST_GENERATION, LAST_GENERATION

KEY_BYTES = 32
#: The advice for a key that is missing, wrong or damaged.
RESTORE_KEY = "Restore the key from its export or from a backup; without the key the data cannot be read."


class KeyHolder:
    """Base of classes that hold key material: their repr shows only the class, and they refuse pickling and copying."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds key material and cannot be pickled or copied")


class MasterKey(KeyHolder):
    """The one 32-byte secret of a store.

    Raises:
        EncryptionError: The key is not 32 bytes long.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise EncryptionError("the encryption key is invalid", f"it has {len(raw)} bytes, not {KEY_BYTES}")
        self._raw = raw

    @classmethod
    def generate(cls) -> Self:
        """Make a new key from the operating system's random source."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_hex(cls, text: str, *, source: str) -> Self:
        """Read a key from 64 hexadecimal digits; ``source`` says where the text came from, for the error message.

        Raises:
            EncryptionError: The text is not 64 hexadecimal digits. The error message does not include the text.
        """
        digits = text.strip()
        if len(digits) != 2 * KEY_BYTES or set(digits) - set("0123456789abcdefABCDEF"):
            raise EncryptionError(f"the key in {source} is invalid", "it must be 64 hexadecimal digits", RESTORE_KEY)
        return cls(bytes.fromhex(digits))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MasterKey) and hmac.compare_digest(self._raw, other._raw)

    def __hash__(self) -> int:
        return hash(self._raw)

    def hex(self) -> str:
        """Return the key as 64 hexadecimal digits, as key sources (keyring, file, …) store it."""
        return self._raw.hex()

    def derive(self, purpose: str, length: int = KEY_BYTES) -> bytes:
        """Derive ``length`` bytes for one purpose, such as ``index``; different purposes give independent keys."""
        info = f"cloudops/1/{purpose}".encode()
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(self._raw)


class StoreKeys(KeyHolder):
    """The keys of a store, derived from its master key; safe to share between threads.

    Args:
        master: The store's master key.
        generation: The generation of the data key that encrypts new values, from 1 to 65,535.

    Attributes:
        fingerprint: 32 hexadecimal digits that identify the master key without revealing it.
        index_key: The key of the blind values (keyed hashes that are stored in place of values).
        journal_key: The key of the MACs (message authentication codes) in the journal's chain.
        vector_rotation_seed: The seed of the matrix that rotates dense vectors.

    Raises:
        EncryptionError: The generation is out of range.
    """

    __slots__ = ("_data_key", "fingerprint", "generation", "index_key", "journal_key", "vector_rotation_seed")

    def __init__(self, master: MasterKey, generation: int = FIRST_GENERATION) -> None:
        if not FIRST_GENERATION <= generation <= LAST_GENERATION:
            why = f"it is {generation}, not {FIRST_GENERATION} to {LAST_GENERATION:,}"
            raise EncryptionError("the data key generation is out of range", why)
        self.generation = generation
        self.fingerprint = master.derive("fingerprint", 16).hex()
        self.index_key = master.derive("index")
        self.journal_key = master.derive("journal")
        self.vector_rotation_seed = master.derive("rotation")
        self._data_key = lru_cache(maxsize=64)(lambda number: master.derive(f"data/{number}"))

    def data_key(self, generation: int) -> bytes:
        """Return the data key of a generation; older data keys decrypt the values that they once encrypted.

        Raises:
            EncryptionError: The generation is out of range.
        """
        if not FIRST_GENERATION <= generation <= LAST_GENERATION:
            raise EncryptionError("there is no such data key", f"generation {generation} is out of range")
        return self._data_key(generation)
