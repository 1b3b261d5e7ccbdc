"""The file format of a snapshot: a compressed stream of records, encrypted as a whole under its own key.

::

    beginning   magic (8 bytes) | length of the header (4, big-endian) | header (JSON)
    ciphertext  msgpack records, compressed with zlib, encrypted with AES-256-GCM; the beginning is the additional data
    trailer     tag (16) | number of rows (8, big-endian) | SHA-256 of all bytes before it (32)

The first records are the front records (the scan cells in a snapshot of the estate, the head in a snapshot of the
journal), the others are the rows. HKDF-SHA256 derives the key from the master key and the header's salt. The SHA-256
checksum needs no key, so that damage can be distinguished from a wrong key; the tag reveals deliberate changes. The
number of rows is unencrypted, so that listings need no key; a reader compares it with the number of decrypted rows.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
import zlib
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloudops_nb.errors import BackupError, WrongKeyError
from cloudops_nb.storage.backup.snapshot import parse_name, snapshot_name
from cloudops_nb.storage.files.store_file import FIRST_GENERATION, LAST_GENERATION
from cloudops_nb.storage.files.store_file import FORMAT as STORE_FORMAT
from cloudops_nb.storage.keys.master_key import KEY_BYTES, StoreKeys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloudops_nb.storage.keys.master_key import MasterKey

FORMAT: Final = 1
MAGIC: Final = b"CLOUDOPS"
_LENGTH = struct.Struct(">I")
_TRAILER = struct.Struct(">16sQ32s")
#: Length of the trailer, from which :func:`rows_in` reads the number of rows.
TRAILER_BYTES: Final = _TRAILER.size
_CHECKSUM_BYTES = 32
_LONGEST_HEADER = 4096
#: Greatest length of the beginning, from which :func:`header_in` reads the header.
HEADER_BYTES: Final = len(MAGIC) + _LENGTH.size + _LONGEST_HEADER
_CHUNK_BYTES = 1 << 18
#: Vectors hardly compress: a higher level costs time and saves almost nothing.
_COMPRESSION_LEVEL = 1
#: DEFLATE compresses at most 1,032 bytes into one (https://zlib.net/zlib_tech.html), and a row has at least one byte.
_MOST_ROWS_PER_BYTE = 1_032
_DAMAGED_FIX = "Restore another snapshot."


class Header(BaseModel):
    """The unencrypted description of a snapshot.

    ``front`` is the number of front records. The rows are encrypted twice: inside the snapshot's own encryption, they
    still hold the store's envelopes (encrypted values), under data keys up to ``data_key_generation``. ``store_id``
    identifies the store of the snapshot; it is empty in snapshots that older versions wrote.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = Field(default=FORMAT, ge=1)
    kind: str
    store_id: str = Field(default="", pattern="^([0-9a-f]{32})?$")
    created: datetime
    key_fingerprint: str = Field(pattern="^[0-9a-f]{32}$")
    store_format: int = Field(default=STORE_FORMAT, ge=1)
    data_key_generation: int = Field(default=FIRST_GENERATION, ge=FIRST_GENERATION, le=LAST_GENERATION)
    front: int = Field(default=0, ge=0)
    salt: str = Field(default_factory=lambda: secrets.token_hex(32), pattern="^[0-9a-f]{64}$")
    nonce: str = Field(default_factory=lambda: secrets.token_hex(12), pattern="^[0-9a-f]{24}$")


def write_archive(
    stream: BinaryIO, master: MasterKey, header: Header, front: Sequence[Any], rows: Iterable[Any]
) -> int:
    """Write the front records and the rows, all plain msgpack values, in bounded memory; returns the number of rows.

    Raises:
        OSError: The disk is full or fails.
    """
    content = header.model_copy(update={"front": len(front)}).model_dump_json().encode()
    beginning = MAGIC + _LENGTH.pack(len(content)) + content
    encryptor = _cipher(master, header, None).encryptor()
    encryptor.authenticate_additional_data(beginning)
    digest = hashlib.sha256()

    def write(part: bytes) -> None:
        digest.update(part)
        stream.write(part)

    write(beginning)
    count = 0
    compressor = zlib.compressobj(_COMPRESSION_LEVEL)
    for record in front:
        write(encryptor.update(compressor.compress(msgpack.packb(record))))
    for record in rows:
        write(encryptor.update(compressor.compress(msgpack.packb(record))))
        count += 1
    write(encryptor.update(compressor.flush()) + encryptor.finalize())
    write(encryptor.tag + count.to_bytes(8))
    stream.write(digest.digest())
    return count


def rows_in(trailer: bytes, size: int) -> int | None:
    """Read the number of rows from the last :data:`TRAILER_BYTES` of a snapshot.

    Args:
        trailer: The last bytes.
        size: The size of the whole snapshot in bytes.

    Returns:
        ``None`` if there are fewer bytes, or if the snapshot is too small for the number, because it was truncated.
    """
    rows = int(_TRAILER.unpack(trailer)[1]) if len(trailer) == TRAILER_BYTES else None
    return rows if rows is not None and rows <= size * _MOST_ROWS_PER_BYTE else None


def header_in(beginning: bytes) -> Header | None:
    """Read the unverified header from the first :data:`HEADER_BYTES` of a snapshot; ``None`` if it is unreadable."""
    start = len(MAGIC) + _LENGTH.size
    if len(beginning) < start or not beginning.startswith(MAGIC):
        return None
    (length,) = _LENGTH.unpack_from(beginning, len(MAGIC))
    try:
        return Header.model_validate_json(beginning[start : start + length])
    except ValidationError:
        return None


class Archive:
    """A snapshot's file, open for reading; its content is untrusted until :meth:`verify` has succeeded.

    Args:
        stream: The seekable file; the caller closes it.
        name: The file's name, for errors and for the comparison with the header.

    Raises:
        BackupError: The file is not a snapshot, is too short, or has a damaged header.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self._stream = stream
        self.bytes = stream.seek(0, 2)
        stream.seek(0)
        self._beginning = self._read_beginning()
        self.header = self._parsed(self._beginning[len(MAGIC) + _LENGTH.size :])
        self._end = self.bytes - TRAILER_BYTES
        if self._end < len(self._beginning):
            raise self._damaged("the file was cut short")
        stream.seek(self._end)
        self._tag, self.rows, self._checksum = _TRAILER.unpack(stream.read(TRAILER_BYTES))

    def verify(self, master: MasterKey) -> None:
        """Read the whole file and check its checksum, format, key, tag and name, in this order.

        Raises:
            BackupError: The file was cut short, modified or renamed, or has a newer format.
            WrongKeyError: The file is undamaged, but was made with another key.
        """
        # Check the checksum first: it needs no key, so damage is never reported as a wrong key.
        self.check_whole()
        self._check_formats()
        if StoreKeys(master).fingerprint != self.header.key_fingerprint:
            fix = "Import the key first: cloudops-nb key import FILE."
            raise WrongKeyError(f"{self.name} cannot be opened", "it was made with another encryption key", fix)
        for _ in self._decrypted(master):
            pass
        named = parse_name(self.name)
        if named is not None and named != (self.header.kind, self.header.created.replace(microsecond=0)):
            fix = "Rename the file back."
            raise BackupError(f"{self.name} was not restored", f"it is {self._own_name()} under another name", fix)

    def check_whole(self) -> None:
        """Read the whole file and compare the checksum; needs no key.

        Raises:
            BackupError: The file was cut short or modified.
        """
        digest = hashlib.sha256()
        for chunk in self._chunks(0, self.bytes - _CHECKSUM_BYTES):
            digest.update(chunk)
        if digest.digest() != self._checksum:
            raise self._damaged("the file was cut short or modified: its checksum does not match")

    def read(self, master: MasterKey) -> tuple[list[Any], Iterator[Any]]:
        """Decrypt the file; returns the front records and an iterator over the rows.

        The iterator checks the tag and the number of rows only at its end. So do not replace anything with the rows
        before the iterator has ended.

        Raises:
            BackupError: The file was damaged or modified. The iterator raises this error, too.
        """
        records = self._records(master)
        return list(islice(records, self.header.front)), self._counted(records)

    def _own_name(self) -> str:
        return snapshot_name(self.header.kind, self.header.created)

    def _check_formats(self) -> None:
        header = self.header
        if header.format > FORMAT or header.store_format > STORE_FORMAT:
            found, known = f"{header.format}.{header.store_format}", f"{FORMAT}.{STORE_FORMAT}"
            why = f"it has format {found}, and this version supports formats up to {known}"
            raise BackupError(f"{self.name} cannot be restored", why, "Use the version of cloudops-nb that wrote it.")

    def _counted(self, records: Iterator[Any]) -> Iterator[Any]:
        count = 0
        for record in records:
            yield record
            count += 1
        if count != self.rows:
            raise self._damaged(f"it holds {count} rows instead of {self.rows}")

    def _records(self, master: MasterKey) -> Iterator[Any]:
        unpacker = msgpack.Unpacker(strict_map_key=False)
        decompressor = zlib.decompressobj()
        with self._decoding_errors():
            for chunk in self._decrypted(master):
                rest = chunk
                while rest:
                    unpacker.feed(decompressor.decompress(rest, _CHUNK_BYTES))
                    yield from unpacker
                    rest = decompressor.unconsumed_tail
            if not decompressor.eof:
                raise self._damaged("its content ends too early")

    def _decrypted(self, master: MasterKey) -> Iterator[bytes]:
        decryptor = _cipher(master, self.header, self._tag).decryptor()
        decryptor.authenticate_additional_data(self._beginning)
        for chunk in self._chunks(len(self._beginning), self._end):
            yield decryptor.update(chunk)
        try:
            yield decryptor.finalize()
        except InvalidTag:
            raise self._damaged("the file was modified: its tag does not match") from None

    def _chunks(self, start: int, end: int) -> Iterator[bytes]:
        self._stream.seek(start)
        while start < end:
            chunk = self._stream.read(min(_CHUNK_BYTES, end - start))
            if not chunk:
                raise self._damaged("the file was cut short during reading")
            start += len(chunk)
            yield chunk

    def _read_beginning(self) -> bytes:
        prefix = self._stream.read(len(MAGIC) + _LENGTH.size)
        if len(prefix) < len(MAGIC) + _LENGTH.size or not prefix.startswith(MAGIC):
            raise self._damaged("it is not a snapshot, or its beginning is damaged")
        (length,) = _LENGTH.unpack_from(prefix, len(MAGIC))
        if length > _LONGEST_HEADER:
            raise self._damaged("its header is damaged")
        return prefix + self._stream.read(length)

    def _parsed(self, content: bytes) -> Header:
        try:
            return Header.model_validate_json(content)
        except ValidationError:
            raise self._damaged("its header is damaged, or a newer version of cloudops-nb wrote it") from None

    @contextmanager
    def _decoding_errors(self) -> Iterator[None]:
        try:
            yield
        except (zlib.error, ValueError, msgpack.UnpackException) as error:
            raise self._damaged("its content cannot be read") from error

    def _damaged(self, why: str) -> BackupError:
        return BackupError(f"{self.name} cannot be restored", why, _DAMAGED_FIX)


def _cipher(master: MasterKey, header: Header, tag: bytes | None) -> Cipher[modes.GCM]:
    info = f"cloudops/backup/{FORMAT}/{header.kind}".encode()
    key = HKDF(SHA256(), KEY_BYTES, bytes.fromhex(header.salt), info).derive(master.derive("backup"))
    return Cipher(algorithms.AES256(key), modes.GCM(bytes.fromhex(header.nonce), tag))
