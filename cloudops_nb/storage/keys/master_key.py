"""The master key, and the keys derived from it by HKDF-SHA256 (RFC 5869).

Data keys have generations, so that they can be rotated. The index, journal and rotation keys are stable, because values
computed with them stay in the store.
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


class Secretive:
    """A base for objects with key material: the repr is only a name; pickling and copying are refused."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, _protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds key material and is never pickled or copied")


class MasterKey(Secretive):
    """The one 32-byte secret of a store.

    Raises:
        EncryptionError: The key has another length.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        if len(raw) != KEY_BYTES:
            raise EncryptionError("the encryption key does not fit", f"it has {len(raw)} bytes, not {KEY_BYTES}")
        self._raw = raw

    @classmethod
    def generate(cls) -> Self:
        """Make a new key from the operating system's random source."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_hex(cls, text: str, *, source: str) -> Self:
        """Read a key as 64 hexadecimal digits; ``source`` names where it came from, for the error.

        Raises:
            EncryptionError: The text is not such a key; the error does not repeat it.
        """
        digits = text.strip()
        if len(digits) != 2 * KEY_BYTES or set(digits) - set("0123456789abcdefABCDEF"):
            raise EncryptionError(f"the key in {source} does not fit", "it must be 64 hexadecimal digits")
        return cls(bytes.fromhex(digits))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MasterKey) and hmac.compare_digest(self._raw, other._raw)

    def __hash__(self) -> int:
        return hash(self._raw)

    def hex(self) -> str:
        """The key as 64 hexadecimal digits, for a key source to keep."""
        return self._raw.hex()

    def derive(self, purpose: str, length: int = KEY_BYTES) -> bytes:
        """Derive ``length`` bytes for one purpose; different purposes give independent keys."""
        info = f"cloudops/1/{purpose}".encode()
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(self._raw)


class StoreKeys(Secretive):
    """The keys of a store, derived from its master key; safe to share between threads.

    Args:
        master: The store's master key.
        generation: The generation of the data key that seals new envelopes, from 1 to 65,535.

    Attributes:
        fingerprint: 32 hexadecimal digits that identify the master key without revealing it.
        index: The key of blind values; it changes only with the master key.
        journal: The key of the journal's MAC chain.
        rotation_seed: The seed of the rotation of dense vectors.
    """

    __slots__ = ("_data_key", "fingerprint", "generation", "index", "journal", "rotation_seed")

    def __init__(self, master: MasterKey, generation: int = FIRST_GENERATION) -> None:
        if not FIRST_GENERATION <= generation <= LAST_GENERATION:
            raise EncryptionError("the data key's generation does not fit", f"it is {generation}")
        self.generation = generation
        self.fingerprint = master.derive("fingerprint", 16).hex()
        self.index = master.derive("index")
        self.journal = master.derive("journal")
        self.rotation_seed = master.derive("rotation")
        self._data_key = lru_cache(maxsize=64)(lambda number: master.derive(f"data/{number}"))

    def data_key(self, generation: int) -> bytes:
        """The data key of a generation; older generations decrypt values from before a rotation.

        Raises:
            EncryptionError: There is no such generation.
        """
        if not FIRST_GENERATION <= generation <= LAST_GENERATION:
            raise EncryptionError("there is no such data key", f"generation {generation} is out of range")
        return self._data_key(generation)
