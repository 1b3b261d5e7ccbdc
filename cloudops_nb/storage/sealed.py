"""The ``data`` field of a payload: any plain value, encrypted for its own row, as text."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgpack

from cloudops_nb.errors import DecryptionError

if TYPE_CHECKING:
    from cloudops_nb.storage.envelope import Envelope
    from cloudops_nb.storage.schema import Collection
    from cloudops_nb.storage.vector_store import Row


def seal(envelope: Envelope, value: Mapping[str, Any], collection: Collection, point_id: str) -> str:
    """Encrypt a mapping of plain values and dataclasses; times become ISO 8601."""
    plaintext = msgpack.packb(value, default=plain, unicode_errors="surrogatepass")
    return base64.b64encode(envelope.seal(plaintext, collection=collection.name, point_id=point_id)).decode()


def open_sealed(envelope: Envelope, row: Row, collection: Collection) -> dict[str, Any]:
    """Decrypt what :func:`seal` put into a row's ``data``.

    Raises:
        DecryptionError: It was altered, cut, or moved from another row; the message names no content.
    """
    try:
        sealed = base64.b64decode(row.payload["data"], validate=True)
    except (binascii.Error, KeyError, TypeError, ValueError) as error:
        raise DecryptionError(f"a row of {collection.name} does not open", "its envelope is damaged") from error
    plaintext = envelope.open(sealed, collection=collection.name, point_id=row.id)
    value: dict[str, Any] = msgpack.unpackb(plaintext, unicode_errors="surrogatepass", strict_map_key=False)
    return value


def plain(value: Any) -> Any:
    """Say what JSON and msgpack have no type for in types that they have."""
    if is_dataclass(value):
        return shallow(value)
    if isinstance(value, Mapping):
        return dict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def shallow(value: Any) -> dict[str, Any]:
    """Return a dataclass as a mapping, one level deep: encoders call for the rest, which spares copying all of it."""
    return {field.name: getattr(value, field.name) for field in fields(value)}
