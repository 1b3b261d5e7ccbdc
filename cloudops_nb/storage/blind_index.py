"""Keyed one-way values that let the store compare what it cannot read.

The store learns which values are equal, and how often; never what they are.
"""

from __future__ import annotations

import base64
import hmac
import struct
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING

from cloudops_nb.storage.secrecy import Secretive

if TYPE_CHECKING:
    from cloudops_nb.storage.keys import StoreKeys

BLIND_BYTES = 16
_CACHED_VALUES = 1 << 16
_LENGTH = struct.Struct(">H")


class BlindIndex(Secretive):
    """Computes blind values, sparse dimensions and point ids; safe to share between threads.

    Values are taken as they are: whoever wants case-insensitive equality folds the case first. The latest 65,536 values
    and tokens are remembered, because names, types and tags of an estate repeat.
    """

    __slots__ = ("_blind", "_key", "_token")

    def __init__(self, keys: StoreKeys) -> None:
        self._key = keys.index
        self._blind = lru_cache(maxsize=_CACHED_VALUES)(self._fresh_blind)
        self._token = lru_cache(maxsize=_CACHED_VALUES)(self._fresh_token)

    def blind(self, field: str, value: str) -> str:
        """The blind value of a field's value: 128 bits as 22 URL-safe characters.

        Equal values of one field are equal; the same value in another field is unrelated.
        """
        return self._blind(field, value)

    def token(self, kind: str, token: str) -> int:
        """The sparse dimension of a word or a trigram: HMAC mod 2^32, unrelated between kinds.

        Two tokens share a dimension with a chance of 2^-32, so a match is evidence, not proof.
        """
        return self._token(kind, token)

    def point_id(self, canonical_key: str) -> str:
        """The id of a resource's point: a version 8 UUID (RFC 9562) from a keyed hash of its canonical key."""
        digest = bytearray(self._digest("point", "", canonical_key)[:16])
        digest[6] = digest[6] & 0x0F | 0x80
        digest[8] = digest[8] & 0x3F | 0x80
        return str(uuid.UUID(bytes=bytes(digest)))

    def _fresh_blind(self, field: str, value: str) -> str:
        return base64.urlsafe_b64encode(self._digest("blind", field, value)[:BLIND_BYTES]).rstrip(b"=").decode()

    def _fresh_token(self, kind: str, token: str) -> int:
        return int.from_bytes(self._digest("token", kind, token)[:4], "big")

    def _digest(self, purpose: str, domain: str, value: str) -> bytes:
        # Lengths before the parts keep ("ab", "c") and ("a", "bc") apart; lone surrogates do occur in AWS's JSON.
        parts = [part.encode("utf-8", "surrogatepass") for part in (purpose, domain, value)]
        message = _LENGTH.pack(len(parts[0])) + parts[0] + _LENGTH.pack(len(parts[1])) + parts[1] + parts[2]
        return hmac.digest(self._key, message, "sha256")
