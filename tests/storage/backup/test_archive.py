"""The format of a snapshot: what was written comes out, and anything else is refused before a row is believed."""

from __future__ import annotations

import hashlib
import io
import json
import struct
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.errors import BackupError, WrongKeyError
from cloudops_nb.storage.backup.archive import MAGIC, TRAILER_BYTES, Archive, Header, rows_in, write_archive
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.fast

MASTER = MasterKey(b"\x01" * 32)
OTHER = MasterKey(b"\x02" * 32)
CANARY = "db-payroll-canary"
FRONT = [["cell", b"\x00\x01"]]
ROWS = [
    [f"id-{number}", {"data": CANARY, "at": number / 7, "tags": []}, bytes(range(64)), None] for number in range(50)
]


def header(**changes: Any) -> Header:
    fingerprint = StoreKeys(MASTER).fingerprint
    return Header(**{"kind": "aws_estate", "created": datetime.now(UTC), "key_fingerprint": fingerprint, **changes})


def written(front: list[Any] = FRONT, rows: list[Any] = ROWS, **changes: Any) -> bytes:
    stream = io.BytesIO()
    assert write_archive(stream, MASTER, header(**changes), front, rows) == len(rows)
    return stream.getvalue()


def read(content: bytes, master: MasterKey = MASTER) -> tuple[list[Any], list[Any]]:
    archive = Archive(io.BytesIO(content), "a snapshot")
    archive.verify(master)
    front, rows = archive.read(master)
    return front, list(rows)


def resummed(content: bytes) -> bytes:
    """Give altered content a matching checksum, as an attacker without the key could."""
    return content[:-32] + hashlib.sha256(content[:-32]).digest()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(PLAIN, max_size=5), st.lists(PLAIN, max_size=20))
def test_what_was_written_comes_out(front: list[Any], rows: list[Any]) -> None:
    content = written(front, rows)

    assert read(content) == (front, rows)
    assert rows_in(content[-TRAILER_BYTES:], len(content)) == len(rows)


def test_its_header_says_what_it_is_and_nothing_of_its_content() -> None:
    content = written(data_key_generation=3)
    found = Archive(io.BytesIO(content), "a snapshot").header

    assert (found.kind, found.front, found.data_key_generation) == ("aws_estate", 1, 3)
    assert CANARY.encode() not in content
    assert b"id-1" not in content


def test_two_snapshots_of_the_same_rows_share_no_key_and_no_bytes() -> None:
    one, two = written(), written()
    beginning = len(MAGIC) + 4 + struct.unpack(">I", one[len(MAGIC) : len(MAGIC) + 4])[0]

    assert Archive(io.BytesIO(one), "").header.salt != Archive(io.BytesIO(two), "").header.salt
    assert one[beginning : beginning + 16] != two[beginning : beginning + 16]


WHOLE = written()


@given(st.integers(0, len(WHOLE) - 1))
def test_a_snapshot_cut_short_anywhere_is_refused(length: int) -> None:
    with pytest.raises(BackupError, match=r"a snapshot cannot be restored: .*Restore another snapshot"):
        read(WHOLE[:length])


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_refused(place: int, bit: int) -> None:
    changed = bytearray(WHOLE)
    changed[place] ^= 1 << bit

    with pytest.raises(BackupError):
        read(bytes(changed))


@given(st.integers(0, len(WHOLE) - 33), st.integers(0, 7))
def test_a_change_that_comes_with_its_checksum_is_refused_all_the_same(place: int, bit: int) -> None:
    changed = bytearray(WHOLE)
    changed[place] ^= 1 << bit

    with pytest.raises((BackupError, WrongKeyError)):
        read(resummed(bytes(changed)))


def test_a_number_of_rows_that_does_not_fit_is_refused_at_the_end() -> None:
    changed = WHOLE[:-40] + (len(ROWS) + 1).to_bytes(8) + WHOLE[-32:]

    with pytest.raises(BackupError, match="it holds 50 rows instead of 51"):
        read(resummed(changed))


def test_bytes_added_at_the_end_are_refused() -> None:
    with pytest.raises(BackupError):
        read(WHOLE + b"\x00")


def test_the_checksum_tells_damage_from_another_key() -> None:
    damaged = bytearray(WHOLE)
    damaged[len(WHOLE) // 2] ^= 1

    with pytest.raises(WrongKeyError, match=r"made with another encryption key.*Import the key"):
        read(WHOLE, OTHER)
    with pytest.raises(BackupError, match="its checksum does not match"):
        read(bytes(damaged), OTHER)


def test_a_header_that_claims_the_store_s_key_does_not_open_with_it() -> None:
    stream = io.BytesIO()
    write_archive(stream, OTHER, header(), FRONT, ROWS)

    with pytest.raises(BackupError, match="its tag does not match"):
        read(stream.getvalue())


def test_rows_are_authentic_even_without_verification_first() -> None:
    damaged = bytearray(WHOLE)
    damaged[-TRAILER_BYTES] ^= 1
    archive = Archive(io.BytesIO(bytes(damaged)), "a snapshot")
    _, rows = archive.read(MASTER)

    with pytest.raises(BackupError, match="its tag does not match"):
        list(rows)


@pytest.mark.parametrize("changes", [{"format": 2}, {"store_format": 99}])
def test_another_format_is_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(BackupError, match=r"it has format .*Use the version of cloudops-nb that wrote it"):
        read(written(**changes))


def with_header(edit: Callable[[dict[str, Any]], None]) -> bytes:
    start = len(MAGIC) + 4
    (length,) = struct.unpack(">I", WHOLE[len(MAGIC) : start])
    content = json.loads(WHOLE[start : start + length])
    edit(content)
    text = json.dumps(content).encode()
    return resummed(MAGIC + struct.pack(">I", len(text)) + text + WHOLE[start + length :])


@pytest.mark.parametrize("name", ["kind", "created", "data_key_generation", "front", "salt", "nonce"])
def test_every_field_of_the_header_is_authentic(name: str) -> None:
    other = {"kind": "chat_history", "created": "2020-01-01T00:00:00Z", "salt": "00" * 32, "nonce": "00" * 12}

    with pytest.raises(BackupError, match="its tag does not match"):
        read(with_header(lambda content: content.update({name: other.get(name, 7)})))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" * 100, MAGIC, MAGIC + b"\xff" * 200])
def test_a_file_of_another_sort_is_no_snapshot(content: bytes) -> None:
    with pytest.raises(BackupError):
        Archive(io.BytesIO(content), "a file")


def test_a_file_that_shrinks_while_it_is_read_is_refused() -> None:
    stream = io.BytesIO(WHOLE)
    archive = Archive(stream, "a snapshot")
    stream.truncate(len(WHOLE) // 2)

    with pytest.raises(BackupError, match="the file was cut short during reading"):
        archive.verify(MASTER)


def test_too_few_bytes_say_no_number_of_rows() -> None:
    assert rows_in(b"short", 5) is None


def test_a_truncated_snapshot_says_no_number_of_rows() -> None:
    for length in range(TRAILER_BYTES, len(WHOLE)):
        assert rows_in(WHOLE[:length][-TRAILER_BYTES:], length) is None
