"""What travels between a kernel and the owner: msgpack of plain values, never pickle.

A request is ``[operation, arguments]``; a reply ``["ok", value]`` or ``[kind of error, what, why, fix]``.
Hits of a query travel as plain pairs, because there are hundreds.
"""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any

import msgpack

from cloudops_nb.errors import StorageError, StoreCorruptedError, StoreUnavailableError
from cloudops_nb.storage.engines.vector_store import (
    AnyOf,
    Below,
    Patch,
    Point,
    PointFilter,
    Sparse,
    StoredRow,
    VectorQuery,
)

#: No frame is larger; clients send points and fetch rows in pages far below it.
LARGEST_FRAME = 1 << 28

_TYPES = (AnyOf, Below, Patch, Point, PointFilter, StoredRow, Sparse, VectorQuery)
_CODES = {kind: (code, attrgetter(*(field.name for field in fields(kind)))) for code, kind in enumerate(_TYPES)}
#: Room for one value of those types; what msgpack takes otherwise costs more than to fill it.
_INNER_BYTES = 512
_ERRORS = {"storage": StorageError, "corrupted": StoreCorruptedError, "unavailable": StoreUnavailableError}


def pack_frame(value: Any) -> bytes:
    """Encode plain values and the types of :mod:`~cloudops_nb.storage.engines.vector_store`."""
    packed: bytes = msgpack.packb(value, default=_encode)
    return packed


def unpack_frame(frame: bytes) -> Any:
    """Decode what :func:`pack_frame` made.

    Raises:
        ValueError: The bytes are something else.
    """
    try:
        # The values of a lookup field are numbers, and counts are by value.
        return msgpack.unpackb(frame, ext_hook=_decode, use_list=True, strict_map_key=False)
    except (msgpack.UnpackException, ValueError, TypeError, IndexError) as error:
        raise ValueError("not a frame of the store's protocol") from error


def failure_reply(error: StorageError) -> list[str]:
    """Put an error into a reply."""
    kind = next((name for name, cls in reversed(_ERRORS.items()) if isinstance(error, cls)), "storage")
    return [kind, error.what, error.why, error.fix]


def raise_failure(kind: str, what: str, why: str, fix: str) -> None:
    """Raise the error that a reply carries."""
    raise _ERRORS.get(kind, StorageError)(what, why, fix)


def _encode(value: Any) -> msgpack.ExtType:
    known = _CODES.get(type(value))
    if known is None:
        raise TypeError(f"{type(value).__name__} does not travel")
    code, parts = known
    return msgpack.ExtType(code, msgpack.packb(parts(value), default=_encode, buf_size=_INNER_BYTES))


def _decode(code: int, data: bytes) -> Any:
    return _TYPES[code](*unpack_frame(data))
