"""Frames between kernel and owner: every value survives the round trip, and other bytes are refused."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudops_nb.errors import DecryptionError, StorageError, StoreCorruptedError, StoreUnavailableError
from cloudops_nb.storage.engines.owner.wire_frames import failure_reply, pack_frame, raise_failure, unpack_frame
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

pytestmark = pytest.mark.fast

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
CONDITIONS = st.one_of(
    st.builds(AnyOf, TEXT, st.lists(TEXT)),
    st.builds(Below, TEXT, st.floats(allow_nan=False)),
    st.builds(AnyOf, TEXT, st.lists(st.integers(0, (1 << 63) - 1))),
)
FILTERS = st.builds(PointFilter, st.lists(CONDITIONS), st.lists(CONDITIONS))
SPARSE = st.builds(Sparse, st.binary(), st.binary())
PAYLOADS = st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**63), 2**63), st.lists(TEXT), st.none()))
VALUES = st.one_of(
    st.builds(Point, TEXT, PAYLOADS, st.binary(), st.one_of(st.none(), SPARSE)),
    st.builds(Patch, st.lists(TEXT), PAYLOADS),
    st.builds(VectorQuery, st.one_of(st.none(), st.binary(), SPARSE), st.integers(0, 2**31), FILTERS),
    st.builds(StoredRow, TEXT, PAYLOADS),
    FILTERS,
)


@settings(deadline=None)
@given(VALUES)
def test_every_type_of_the_seam_survives_the_way(value: object) -> None:
    assert unpack_frame(pack_frame(["operation", {"argument": value}])) == ["operation", {"argument": value}]


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 2**32 - 1), st.floats(width=32, allow_nan=False), max_size=50))
def test_a_sparse_vector_unpacks_to_what_was_packed(weights: dict[int, float]) -> None:
    assert Sparse.of(weights).unpack() == (list(weights), list(weights.values()))


@settings(deadline=None)
@given(st.binary())
def test_other_bytes_are_refused_or_plain_data(frame: bytes) -> None:
    try:
        value = unpack_frame(frame)
    except ValueError:
        return
    assert not hasattr(value, "__dict__")


def test_a_pickle_is_not_executed() -> None:
    with pytest.raises(ValueError, match="not a frame"):
        unpack_frame(pickle.dumps({"a": 1}))


def test_a_type_outside_the_seam_does_not_travel() -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        pack_frame({1, 2})


@pytest.mark.parametrize("kind", [StorageError, StoreCorruptedError, StoreUnavailableError])
def test_an_error_arrives_as_what_it_was(kind: type[StorageError]) -> None:
    with pytest.raises(kind) as raised:
        raise_failure(*failure_reply(kind("what", "why", "fix")))
    assert type(raised.value) is kind
    assert str(raised.value) == "what: why. fix"


def test_an_error_that_has_no_name_on_the_way_arrives_as_a_storage_error() -> None:
    with pytest.raises(StorageError, match="what: why"):
        raise_failure(*failure_reply(DecryptionError("what", "why")))
