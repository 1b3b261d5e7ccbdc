from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.storage.encryption.blind_index import BlindIndex
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

pytestmark = pytest.mark.fast

INDEX = BlindIndex(StoreKeys(MasterKey(bytes(range(32)))))
SAME = BlindIndex(StoreKeys(MasterKey(bytes(range(32))), generation=5))
OTHER = BlindIndex(StoreKeys(MasterKey(bytes(32))))
pairs = st.tuples(st.text(max_size=12), st.text(max_size=30))


@given(one=pairs, two=pairs)
def test_blind_values_are_equal_exactly_where_field_and_value_are(one: tuple[str, str], two: tuple[str, str]) -> None:
    assert (INDEX.blind(*one) == INDEX.blind(*two)) == (one == two)
    assert INDEX.blind(*one) == SAME.blind(*one) != OTHER.blind(*one)


@given(one=pairs)
def test_moving_the_border_between_field_and_value_changes_the_blind_value(one: tuple[str, str]) -> None:
    joined = "".join(one)

    assert len({INDEX.blind(joined[:cut], joined[cut:]) for cut in range(len(joined) + 1)}) == len(joined) + 1


@given(value=st.text(alphabet=st.characters(), max_size=40))
def test_a_blind_value_is_url_safe_and_of_fixed_length(value: str) -> None:
    assert re.fullmatch("[A-Za-z0-9_-]{22}", INDEX.blind("name", value))


@given(token=st.text(max_size=20))
def test_tokens_are_stable_32_bit_dimensions(token: str) -> None:
    dimension = INDEX.token("word", token)

    assert 0 <= dimension < 2**32
    assert dimension == SAME.token("word", token)


def test_tokens_differ_between_kinds_keys_and_purposes() -> None:
    tokens = [f"token{number}" for number in range(200)]
    kinds = [[index.token(kind, token) for token in tokens] for index in (INDEX, OTHER) for kind in ("word", "trigram")]

    assert len({dimension for dimensions in kinds for dimension in dimensions}) == 4 * len(tokens)


@given(one=st.text(max_size=60), two=st.text(max_size=60))
def test_point_ids_are_uuids_of_the_key_alone(one: str, two: str) -> None:
    point = uuid.UUID(INDEX.point_id(one))

    assert (point.variant, point.bytes[6] >> 4) == (uuid.RFC_4122, 8)
    assert str(point) == SAME.point_id(one) != OTHER.point_id(one)
    assert (INDEX.point_id(one) == INDEX.point_id(two)) == (one == two)


def test_values_never_change_between_versions() -> None:
    # What is in a store was computed with these, so they are part of its format.
    assert INDEX.blind("name", "pg-main1") == "O3t66rkzWElKLW1chLyhbQ"
    assert INDEX.token("trigram", "pg-") == 3_349_155_792
    assert INDEX.point_id("arn:aws:s3:::logs") == "ea41c2bd-d25e-8906-b872-e9e93d813de0"


def test_lone_surrogates_are_values_too() -> None:
    assert INDEX.blind("name", "\ud800") != INDEX.blind("name", "\udfff")


def test_it_shows_no_key() -> None:
    assert repr(INDEX) == "<BlindIndex>"
