"""The frames between a kernel and the owner: msgpack of plain values, never pickle.

A request is ``[operation, arguments]``; a reply is ``["ok", value]`` or ``[kind of error, what, why, fix]``. A query's
hits are plain pairs, because there are hundreds of them.
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

#: Longest frame in bytes; clients send points and fetch rows in pages far below it.
LARGEST_FRAME = 1 << 28

_TYPES = (AnyOf, Below, Patch, Point, PointFilter, StoredRow, Sparse, VectorQuery)
_CODES = {kind: (code, attrgetter(*(field.name for field in fields(kind)))) for code, kind in enumerate(_TYPES)}
#: Buffer for one value of those types, in bytes; allocating msgpack's default buffer costs more than filling it.
_INNER_BYTES = 512
_ERRORS = {"storage": StorageError, "corrupted": StoreCorruptedError, "unavailable": StoreUnavailableError}


def pack_frame(value: Any) -> bytes:
    """Encode plain values and the types of :mod:`~cloudops_nb.storage.engines.vector_store`."""
    packed: bytes = msgpack.packb(value, default=_encode)
    return packed


def unpack_frame(frame: bytes) -> Any:
    """Decode a frame that :func:`pack_frame` made.

    Raises:
        ValueError: The bytes are not such a frame.
    """
    try:
        # Map keys are not always texts: facet counts have the numbers of a lookup field as keys.
        return msgpack.unpackb(frame, ext_hook=_decode, use_list=True, strict_map_key=False)
    except (msgpack.UnpackException, ValueError, TypeError, IndexError) as error:
        raise ValueError("not a frame of the store's protocol") from error


def failure_reply(error: StorageError) -> list[str]:
    """Return an error as a reply."""
    kind = next((name for name, cls in reversed(_ERRORS.items()) if isinstance(error, cls)), "storage")
    return [kind, error.what, error.why, error.fix]


def raise_failure(kind: str, what: str, why: str, fix: str) -> None:
    """Raise the error that a reply carries."""
    raise _ERRORS.get(kind, StorageError)(what, why, fix)


def _encode(value: Any) -> msgpack.ExtType:
    known = _CODES.get(type(value))
    if known is None:
        raise TypeError(f"{type(value).__name__} cannot be sent")
    code, parts = known
    return msgpack.ExtType(code, msgpack.packb(parts(value), default=_encode, buf_size=_INNER_BYTES))


def _decode(code: int, data: bytes) -> Any:
    return _TYPES[code](*unpack_frame(data))
