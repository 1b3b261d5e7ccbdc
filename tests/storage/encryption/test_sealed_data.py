"""The encrypted field of a row: what is written reads back in its own row, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import DecryptionError
from cloudops_nb.model import Ternary
from cloudops_nb.storage.encryption.envelope import Envelope
from cloudops_nb.storage.encryption.sealed_data import (
    is_authentic,
    open_sealed,
    packed,
    packed_list,
    plain_fields,
    readable,
    seal,
    sealed_generation,
    shallow,
)
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import StoredRow
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.fast

MASTER = MasterKey(bytes(range(32)))
SECRET = "pg-instance-main1"
BOUND = {"groups": [1, 2], "marks": [3], "content": 4}


@dataclass(frozen=True)
class Verdict:
    value: Ternary


@dataclass(frozen=True)
class Found:
    name: str
    verdicts: Mapping[str, Verdict]


@pytest.fixture
def envelope() -> Envelope:
    return Envelope(StoreKeys(MASTER))


def row(envelope: Envelope, value: Mapping[str, Any], point_id: str = "one") -> StoredRow:
    return StoredRow(point_id, {"data": seal(envelope, value, AWS_ESTATE, point_id, BOUND), **BOUND})


def test_values_and_dataclasses_read_back_as_plain_data(envelope: Envelope) -> None:
    stop = Verdict(Ternary.TRUE)
    value = {
        "found": Found(SECRET, {"stop": stop}),
        "one": stop,
        "at": datetime(2026, 3, 4, 12, 30, tzinfo=UTC),
        "price": Decimal("1.50"),
        "tags": MappingProxyType({"Team": "payments"}),
        "pages": ({"b": 1, "a": None}, [True, 2.5]),
        "odd": "\ud800",
    }
    assert open_sealed(envelope, row(envelope, value), AWS_ESTATE) == {
        "found": {"name": SECRET, "verdicts": {"stop": {"value": "true"}}},
        "one": {"value": "true"},
        "at": "2026-03-04T12:30:00+00:00",
        "price": "1.50",
        "tags": {"Team": "payments"},
        "pages": [{"a": None, "b": 1}, [True, 2.5]],
        "odd": "\ud800",
    }


def test_equal_values_have_equal_bytes_whatever_the_order_of_their_keys() -> None:
    one = {"a": 1, "b": [{"x": Found("n", {"p": Verdict(Ternary.FALSE), "q": Verdict(Ternary.TRUE)})}]}
    other = {"b": [{"x": Found("n", {"q": Verdict(Ternary.TRUE), "p": Verdict(Ternary.FALSE)})}], "a": 1}
    assert packed(one) == packed(other)
    assert packed(one) != packed({**one, "a": 2})
    assert packed_list(["ab", ["c"]]) != packed_list(["a", ["bc"]])


def test_a_dataclass_reads_as_a_mapping_of_its_own_fields_alone() -> None:
    verdicts = {"stop": Verdict(Ternary.TRUE)}
    assert shallow(Found(SECRET, verdicts)) == {"name": SECRET, "verdicts": verdicts}


@pytest.mark.parametrize(
    "payload", [{}, {"data": None}, {"data": "no base64 !"}, {"data": "AAAA"}, {"data": f"{SECRET}é"}]
)
def test_a_damaged_row_is_refused_counted_and_not_repeated(envelope: Envelope, payload: dict[str, Any]) -> None:
    with pytest.raises(DecryptionError) as caught:
        open_sealed(envelope, StoredRow("one", {**BOUND, **payload}), AWS_ESTATE)
    assert SECRET not in str(caught.value)
    assert envelope.alarm.failures == 1


def test_a_row_that_was_moved_is_refused(envelope: Envelope) -> None:
    here = row(envelope, {"name": SECRET})
    for there, collection in ((StoredRow("two", here.payload), AWS_ESTATE), (here, CHAT_HISTORY)):
        with pytest.raises(DecryptionError):
            open_sealed(envelope, there, collection)


@pytest.mark.parametrize("field", AWS_ESTATE.bound)
@pytest.mark.parametrize("value", [None, 5, object(), 1 << 70])
def test_a_row_whose_bound_field_was_altered_is_refused_and_counted(
    envelope: Envelope, field: str, value: object
) -> None:
    intact = row(envelope, {"name": SECRET})
    assert is_authentic(envelope, intact, AWS_ESTATE)
    altered = StoredRow(intact.id, {**intact.payload, field: value})
    without = StoredRow(intact.id, {name: kept for name, kept in intact.payload.items() if name != field})
    assert not is_authentic(envelope, altered, AWS_ESTATE)
    assert not is_authentic(envelope, without, AWS_ESTATE)
    assert envelope.alarm.failures == 2


def test_a_field_outside_the_envelope_that_cannot_be_used_damages_its_row(envelope: Envelope) -> None:
    with pytest.raises(DecryptionError, match="aws_estate is damaged"), plain_fields(envelope, AWS_ESTATE):
        datetime.fromtimestamp(1e30, UTC)
    assert envelope.alarm.failures == 1


def test_a_damaged_row_does_not_hide_the_others(envelope: Envelope) -> None:
    rows = [row(envelope, {"n": 1}, "one"), StoredRow("two", {"data": "damaged"}), row(envelope, {"n": 3}, "three")]
    found = readable(rows, lambda each: open_sealed(envelope, each, AWS_ESTATE)["n"])
    assert list(found) == [1, 3]
    assert envelope.alarm.failures == 1


def test_the_generation_of_a_rows_key_shows_without_decrypting_it() -> None:
    rotated = Envelope(StoreKeys(MASTER, generation=3))
    assert sealed_generation(row(rotated, {"n": 1}), AWS_ESTATE) == 3
    with pytest.raises(DecryptionError, match="aws_estate cannot be decrypted"):
        sealed_generation(StoredRow("one", {"data": "no base64 !"}), AWS_ESTATE)
    assert rotated.alarm.failures == 0
