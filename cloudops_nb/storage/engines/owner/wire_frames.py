"""The frames (messages) that a client and the owner process exchange: msgpack of plain values, never pickle.

A request is ``[operation, arguments]``; a reply is ``["ok", value]`` or ``[kind of error, what, why, fix]``. A hit of a
query is sent as a plain pair of id and score, which is small and fast to decode, because a query has hundreds of hits.
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

#: Length limit of a frame, in bytes; clients send points and fetch rows in pages that are far smaller.
LARGEST_FRAME = 1 << 28

#: The position of a type in this tuple is its code in a frame.
_TYPES = (AnyOf, Below, Patch, Point, PointFilter, StoredRow, Sparse, VectorQuery)
_CODES = {kind: (code, attrgetter(*(field.name for field in fields(kind)))) for code, kind in enumerate(_TYPES)}
#: Buffer size for one value of these types, in bytes; msgpack's default buffer takes longer to allocate than to fill.
_INNER_BYTES = 512
_ERRORS = {"storage": StorageError, "corrupted": StoreCorruptedError, "unavailable": StoreUnavailableError}


def pack_frame(value: Any) -> bytes:
    """Encode plain values and the types of :mod:`~cloudops_nb.storage.engines.vector_store`.

    Raises:
        TypeError: A value has another type.
    """
    packed: bytes = msgpack.packb(value, default=_encode)
    return packed


def unpack_frame(frame: bytes) -> Any:
    """Decode a frame that :func:`pack_frame` made.

    Raises:
        ValueError: The bytes are not a frame.
    """
    try:
        # strict_map_key would refuse the counts by value of a lookup field, because their keys are numbers.
        return msgpack.unpackb(frame, ext_hook=_decode, use_list=True, strict_map_key=False)
    except (msgpack.UnpackException, ValueError, TypeError, IndexError) as error:
        raise ValueError("not a frame of the store's protocol") from error


def failure_reply(error: StorageError) -> list[str]:
    """Return the reply that carries an error to the client."""
    # Reversed, because _ERRORS begins with StorageError, and its subclasses must be tried before it.
    kind = next((name for name, cls in reversed(_ERRORS.items()) if isinstance(error, cls)), "storage")
    return [kind, error.what, error.why, error.fix]


def raise_failure(kind: str, what: str, why: str, fix: str) -> None:
    """Raise the error that a reply carries; an unknown kind becomes a StorageError."""
    raise _ERRORS.get(kind, StorageError)(what, why, fix)


def _encode(value: Any) -> msgpack.ExtType:
    code_and_fields = _CODES.get(type(value))
    if code_and_fields is None:
        raise TypeError(f"{type(value).__name__} cannot be sent")
    code, fields_of = code_and_fields
    return msgpack.ExtType(code, msgpack.packb(fields_of(value), default=_encode, buf_size=_INNER_BYTES))


def _decode(code: int, data: bytes) -> Any:
    return _TYPES[code](*unpack_frame(data))
