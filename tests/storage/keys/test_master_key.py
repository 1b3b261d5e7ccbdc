from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.errors import EncryptionError
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

pytestmark = pytest.mark.fast

RAW = bytes(range(32))


def test_a_key_reads_back_from_its_hexadecimal_digits() -> None:
    key = MasterKey.generate()

    assert MasterKey.from_hex(f" {key.hex().upper()}\n", source="a test") == key
    assert hash(MasterKey.from_hex(key.hex(), source="a test")) == hash(key)
    assert key != MasterKey.generate()
    assert key != key.hex()


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, "0x" + "00" * 31, "٣" * 64])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(EncryptionError, match="64 hexadecimal digits") as caught:
        MasterKey.from_hex(text, source="a test")

    assert not text or text not in str(caught.value)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(EncryptionError, match="16 bytes"):
        MasterKey(bytes(16))


def test_every_purpose_and_generation_has_a_key_of_its_own() -> None:
    keys = StoreKeys(MasterKey(RAW))
    data_keys = [keys.data_key(number) for number in range(1, 50)]
    derived = [keys.index_key, keys.journal_key, keys.vector_rotation_seed, *data_keys]

    assert len({*derived, RAW}) == len(derived) + 1
    assert {len(key) for key in derived} == {32}


def test_derivation_is_the_same_for_ever() -> None:
    keys = StoreKeys(MasterKey(RAW))

    # RFC 5869 with no salt and the info "cloudops/1/<purpose>", computed by `openssl kdf … HKDF`.
    assert keys.fingerprint == "15d7a4f9d855ab7a4fda02422387a6c6"
    assert keys.data_key(1).hex() == "209f4cc7cc39a4b0fda5cfeb73e33b4b33a34f78be34688c9a269703d5183445"
    assert StoreKeys(MasterKey(RAW), generation=7).fingerprint == keys.fingerprint


@given(raw=st.binary(min_size=32, max_size=32))
def test_the_fingerprint_tells_keys_apart(raw: bytes) -> None:
    same = StoreKeys(MasterKey(raw)).fingerprint == StoreKeys(MasterKey(RAW)).fingerprint

    assert same == (raw == RAW)


@pytest.mark.parametrize("generation", [0, -1, 65536])
def test_a_generation_out_of_range_is_refused(generation: int) -> None:
    with pytest.raises(EncryptionError):
        StoreKeys(MasterKey(RAW), generation=generation)
    with pytest.raises(EncryptionError):
        StoreKeys(MasterKey(RAW)).data_key(generation)


def test_keys_are_neither_shown_nor_pickled() -> None:
    for secret in (MasterKey(RAW), StoreKeys(MasterKey(RAW))):
        assert repr(secret) == f"<{type(secret).__name__}>"
        assert RAW.hex() not in f"{secret} {secret!r}"
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secret)
