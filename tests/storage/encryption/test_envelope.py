from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.errors import DecryptionError, EncryptionError
from cloudops_nb.storage.encryption.envelope import OVERHEAD, Envelope, key_generation
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

pytestmark = pytest.mark.fast

MASTER = MasterKey(bytes(range(32)))
ENVELOPE = Envelope(StoreKeys(MASTER))
names = st.text(max_size=20).filter(lambda text: "\0" not in text)
PLACE: dict[str, Any] = {"collection": "aws_estate", "point_id": "one"}


@given(plaintext=st.binary(max_size=300), collection=names, point_id=st.text(max_size=40))
def test_what_was_sealed_opens_in_its_place(plaintext: bytes, collection: str, point_id: str) -> None:
    sealed = ENVELOPE.seal(plaintext, collection=collection, point_id=point_id)

    assert ENVELOPE.open(sealed, collection=collection, point_id=point_id) == plaintext
    assert len(sealed) == len(plaintext) + OVERHEAD


@given(plaintext=st.binary(max_size=60), data=st.data())
def test_any_flipped_bit_is_refused(plaintext: bytes, data: st.DataObject) -> None:
    sealed = bytearray(ENVELOPE.seal(plaintext, **PLACE))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8

    with pytest.raises(DecryptionError):
        ENVELOPE.open(bytes(sealed), **PLACE)


@given(plaintext=st.binary(max_size=60), data=st.data())
def test_any_cut_is_refused(plaintext: bytes, data: st.DataObject) -> None:
    sealed = ENVELOPE.seal(plaintext, **PLACE)
    length = data.draw(st.integers(0, len(sealed) - 1))

    with pytest.raises(DecryptionError):
        ENVELOPE.open(sealed[:length], **PLACE)


@given(here=st.tuples(names, names), there=st.tuples(names, names))
def test_an_envelope_moved_to_another_place_is_refused(here: tuple[str, str], there: tuple[str, str]) -> None:
    sealed = ENVELOPE.seal(b"content", collection=here[0], point_id=here[1])

    if here == there:
        assert ENVELOPE.open(sealed, collection=there[0], point_id=there[1]) == b"content"
    else:
        with pytest.raises(DecryptionError):
            ENVELOPE.open(sealed, collection=there[0], point_id=there[1])


def test_a_collection_with_nul_cannot_pass_for_another_place() -> None:
    with pytest.raises(EncryptionError, match="NUL"):
        ENVELOPE.seal(b"content", collection="a\0b", point_id="c")


def test_another_master_key_does_not_open_it() -> None:
    sealed = ENVELOPE.seal(b"content", **PLACE)

    with pytest.raises(DecryptionError, match="under a different key"):
        Envelope(StoreKeys(MasterKey(bytes(32)))).open(sealed, **PLACE)


def test_the_same_plaintext_never_looks_the_same() -> None:
    assert len({ENVELOPE.seal(b"content", **PLACE) for _ in range(1000)}) == 1000


def test_generations_before_and_after_a_rotation_open_each_others_envelopes() -> None:
    newer = Envelope(StoreKeys(MASTER, generation=2))
    old, new = ENVELOPE.seal(b"old", **PLACE), newer.seal(b"new", **PLACE)

    assert (key_generation(old), key_generation(new)) == (1, 2)
    assert newer.open(old, **PLACE) == b"old"
    assert ENVELOPE.open(new, **PLACE) == b"new"


def test_a_retired_key_opens_only_what_is_never_encrypted_again() -> None:
    newer = Envelope(StoreKeys(MASTER, generation=3), oldest=2)
    first = ENVELOPE.seal(b"first", **PLACE)
    second = Envelope(StoreKeys(MASTER, generation=2)).seal(b"second", **PLACE)

    assert newer.open(second, **PLACE) == b"second"
    with pytest.raises(DecryptionError, match="its data key was retired"):
        newer.open(first, **PLACE)
    assert newer.open(first, **PLACE, retired=True) == b"first"


@pytest.mark.parametrize("key_id", [0, 2, 0x10000, 0xFFFFFFFF])
def test_an_unknown_key_id_is_refused(key_id: int) -> None:
    sealed = bytearray(ENVELOPE.seal(b"content", **PLACE))
    sealed[1:5] = key_id.to_bytes(4, "big")

    with pytest.raises(DecryptionError):
        ENVELOPE.open(bytes(sealed), **PLACE)


def test_an_unknown_version_is_named() -> None:
    sealed = bytearray(ENVELOPE.seal(b"content", **PLACE))
    sealed[0] = 9

    with pytest.raises(DecryptionError, match="version 9"):
        ENVELOPE.open(bytes(sealed), **PLACE)


def test_many_threads_share_one_envelope() -> None:
    def round_trip(number: int) -> bool:
        plaintext = str(number).encode() * 50
        sealed = ENVELOPE.seal(plaintext, collection="chat", point_id=str(number))
        return ENVELOPE.open(sealed, collection="chat", point_id=str(number)) == plaintext

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trip, range(4000)))


def test_it_is_neither_shown_nor_pickled_nor_copied() -> None:
    assert repr(ENVELOPE) == "<Envelope>"
    for away in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            away(ENVELOPE)
