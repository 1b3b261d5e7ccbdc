"""Blind values: keyed one-way hashes that let the vector store compare values that it cannot read.

The vector store learns which values are equal, and how often they occur, but not the values.
"""

from __future__ import annotations

import base64
import hmac
import struct
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING

from cloudops_nb.storage.keys.master_key import KeyHolder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloudops_nb.storage.keys.master_key import StoreKeys

BLIND_BYTES = 16
_BLIND_CHARACTERS = 22
_CACHED_TOKENS = 1 << 16
_LENGTH = struct.Struct(">H")


class BlindIndex(KeyHolder):
    """Computes blind values, dimensions of sparse vectors, and point ids; safe to share between threads.

    Values are hashed as given; to compare them without case, the caller folds the case first. The 65,536 most recently
    used tokens (words or trigrams) of each kind are cached, because the words of an estate repeat.
    """

    __slots__ = ("_hmac", "_tokens")

    def __init__(self, keys: StoreKeys) -> None:
        # Copying a keyed hash object takes half as long as creating one.
        self._hmac = hmac.new(keys.index_key, digestmod="sha256")
        # One cache per kind, because a cache with one argument takes half as long as a cache with two.
        self._tokens = cache(lambda kind: lru_cache(maxsize=_CACHED_TOKENS)(partial(self._computed_token, kind)))

    def blind(self, field: str, value: str) -> str:
        """Return the blind value of a field's value: 128 bits as 22 URL-safe characters.

        Equal values of one field have equal blind values. The blind values of one value in two fields are unrelated.
        """
        return self.fingerprint(field, value.encode("utf-8", "surrogatepass"))

    def fingerprint(self, field: str, content: bytes) -> str:
        """Return the blind value of bytes of any length, also as 22 URL-safe characters."""
        digest = self._digest("blind", field, content)[:BLIND_BYTES]
        return base64.urlsafe_b64encode(digest)[:_BLIND_CHARACTERS].decode()

    def checksum(self, content: bytes) -> int:
        """Return a keyed hash of bytes as a number of 256 bits; sums of checksums mod 2^256 identify sets of contents.

        Without the key, no other set with the same sum can be found: D. Clarke and others, "Incremental Multiset Hash
        Functions and Their Application to Memory Integrity Checking", ASIACRYPT 2003, section 5 (MSet-Add-Hash).
        """
        return int.from_bytes(self._digest("checksum", "", content), "big")

    def token(self, kind: str, token: str) -> int:
        """Return a token's dimension in a sparse vector: an HMAC of the kind and the token, mod 2^32.

        Two different tokens share a dimension with a probability of 2^-32, so a match is evidence, not proof.
        """
        return self._tokens(kind)(token)

    def tokens(self, kind: str, tokens: Iterable[str]) -> list[int]:
        """Return the dimensions of several tokens, in the given order."""
        return list(map(self._tokens(kind), tokens))

    def point_id(self, canonical_key: str) -> str:
        """Return the id of a resource's or a conversation's point: a version 8 UUID (RFC 9562), which is a keyed hash.

        The canonical key is the text that identifies the resource or the conversation.
        """
        digest = bytearray(self._digest("point", "", canonical_key.encode("utf-8", "surrogatepass"))[:16])
        digest[6] = digest[6] & 0x0F | 0x80
        digest[8] = digest[8] & 0x3F | 0x80
        text = digest.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _computed_token(self, kind: str, token: str) -> int:
        return int.from_bytes(self._digest("token", kind, token.encode("utf-8", "surrogatepass"))[:4], "big")

    def _digest(self, purpose: str, domain: str, value: bytes) -> bytes:
        keyed = self._hmac.copy()
        keyed.update(_prefix(purpose, domain) + value)
        return keyed.digest()


@lru_cache(maxsize=256)
def _prefix(purpose: str, domain: str) -> bytes:
    # The lengths distinguish ("ab", "c") from ("a", "bc"). surrogatepass: JSON from AWS can contain lone surrogates.
    parts = (purpose.encode("utf-8", "surrogatepass"), domain.encode("utf-8", "surrogatepass"))
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)
