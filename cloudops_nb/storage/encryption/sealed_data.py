"""Encrypts the ``data`` field of a row's payload: values are packed by msgpack, encrypted, and encoded in base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import msgpack

from cloudops_nb.errors import DecryptionError
from cloudops_nb.storage.encryption.envelope import key_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cloudops_nb.storage.encryption.envelope import Envelope
    from cloudops_nb.storage.engines.schema import Collection
    from cloudops_nb.storage.engines.vector_store import StoredRow

_ATOMS = frozenset({str, int, float, bool, type(None)})
_Row = TypeVar("_Row")
_Value = TypeVar("_Value")


def readable(rows: Iterable[_Row], read: Callable[[_Row], _Value]) -> Iterator[_Value]:
    """Yield the values of the rows that can be decrypted.

    A damaged row must not hide the intact ones. The store's alarm counts each failed decryption, and the health check
    reports the number.

    Args:
        rows: The rows.
        read: Decrypts a row; raises ``DecryptionError`` for a damaged one.
    """
    for row in rows:
        try:
            value = read(row)
        except DecryptionError:
            continue
        yield value


def packed(value: Mapping[str, Any]) -> bytes:
    """Encode a mapping of plain values and dataclasses; the bytes do not depend on the order of dictionary keys.

    Times become ISO 8601 text, and values of other types that msgpack does not know become their ``str()``.
    """
    plaintext: bytes = msgpack.packb(_ordered(value), default=_text_form, unicode_errors="surrogatepass")
    return plaintext


def packed_list(value: Sequence[Any]) -> bytes:
    """Encode a list without dictionaries, so that there are no keys to sort."""
    plaintext: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return plaintext


def seal(
    envelope: Envelope, value: Mapping[str, Any], collection: Collection, point_id: str, payload: Mapping[str, Any]
) -> str:
    """Encode a mapping with :func:`packed`, and encrypt it as :func:`seal_packed` does."""
    return seal_packed(envelope, packed(value), collection, point_id, payload)


def seal_packed(
    envelope: Envelope, plaintext: bytes, collection: Collection, point_id: str, payload: Mapping[str, Any]
) -> str:
    """Encrypt bytes that :func:`packed` returned, so that they can be decrypted in one row only.

    Args:
        envelope: Encrypts the bytes.
        plaintext: The bytes.
        collection: The row's collection.
        point_id: The row's id.
        payload: At least those fields of the row that ``collection.bound`` names; the result can be decrypted only
            together with these fields.
    """
    bound = _bound_bytes(collection, payload)
    sealed = envelope.seal(plaintext, collection=collection.name, point_id=point_id, bound=bound)
    return base64.b64encode(sealed).decode()


def open_sealed(envelope: Envelope, row: StoredRow, collection: Collection, *, retired: bool = False) -> dict[str, Any]:
    """Decrypt a row's ``data`` field; the row has this field and those that ``collection.bound`` names.

    ``retired`` accepts a retired data key, as :meth:`Envelope.open` does.

    Raises:
        DecryptionError: One of the fields was altered, or ``data`` was truncated or moved from another row. The error
            message contains nothing of the fields' content.
    """
    plaintext = authenticated(envelope, row, collection, retired=retired)
    value: dict[str, Any] = msgpack.unpackb(plaintext, unicode_errors="surrogatepass", strict_map_key=False)
    return value


def authenticated(envelope: Envelope, row: StoredRow, collection: Collection, *, retired: bool = False) -> bytes:
    """Decrypt a row's ``data`` field as :func:`open_sealed` does, and return the bytes before decoding."""
    try:
        sealed, bound = _envelope_of(row, collection), _bound_bytes(collection, row.payload)
    except DecryptionError:
        envelope.record_failure()  # envelope.open() counts its own failures
        raise
    return envelope.open(sealed, collection=collection.name, point_id=row.id, bound=bound, retired=retired)


def is_authentic(envelope: Envelope, row: StoredRow, collection: Collection) -> bool:
    """Return whether :func:`authenticated` can decrypt a row."""
    try:
        authenticated(envelope, row, collection)
    except DecryptionError:
        return False
    return True


@contextmanager
def plain_fields(envelope: Envelope, collection: Collection) -> Iterator[None]:
    """Turn the errors of reading a row's fields outside the envelope into the error of a damaged row.

    Raises:
        DecryptionError: In the block, a field was missing or had a value that cannot be used.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:  # OSError: a time out of range
        envelope.record_failure()
        raise DecryptionError(f"a row of {collection.name} is damaged", type(error).__name__) from error


def sealed_generation(row: StoredRow, collection: Collection) -> int:
    """Return the generation of the data key that encrypted a row's ``data`` field, without decrypting the field.

    Raises:
        DecryptionError: The field is not an envelope.
    """
    return key_generation(_envelope_of(row, collection))


def shallow(value: Any) -> dict[str, Any]:
    """Return a dataclass's fields as a mapping; dataclasses among their values stay dataclasses."""
    kind: Any = type(value)
    return {name: getattr(value, name) for name in _field_names(kind)}


def _envelope_of(row: StoredRow, collection: Collection) -> bytes:
    try:
        return base64.b64decode(row.payload["data"], validate=True)
    except (binascii.Error, KeyError, TypeError, ValueError) as error:
        raise DecryptionError(f"a row of {collection.name} cannot be decrypted", "its envelope is damaged") from error


def _bound_bytes(collection: Collection, payload: Mapping[str, Any]) -> bytes:
    """Return the fields of a payload that ``collection.bound`` names, as bytes; no bytes if it names none.

    msgpack's list of up to fifteen items begins with a byte from 0x90 to 0x9F, which begins no UTF-8 text.
    """
    if not collection.bound:
        return b""
    try:
        return packed_list([payload[name] for name in collection.bound])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        why = "a field to which its envelope is bound is missing or damaged"
        raise DecryptionError(f"a row of {collection.name} cannot be decrypted", why) from error


def _ordered(value: Any) -> Any:
    """Return a value in which every mapping has sorted keys and every dataclass is a mapping."""
    kind: Any = type(value)
    if kind is dict:
        return {key: inner if type(inner := value[key]) in _ATOMS else _ordered(inner) for key in sorted(value)}
    if kind is list or kind is tuple:
        return [inner if type(inner) in _ATOMS else _ordered(inner) for inner in value]
    if issubclass(kind, str):
        return value
    if names := _field_names(kind):
        values = zip(names, _field_getter(kind)(value), strict=True)
        return {name: inner if type(inner) in _ATOMS else _ordered(inner) for name, inner in values}
    return _ordered(dict(value)) if isinstance(value, Mapping) else value


def _text_form(value: Any) -> str:
    """Return the text to pack for a value of a type that msgpack does not know."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


@cache
def _field_getter(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that reads all fields of a dataclass at once."""
    names = _field_names(kind)
    return attrgetter(*names) if len(names) > 1 else lambda value: tuple(getattr(value, name) for name in names)


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
