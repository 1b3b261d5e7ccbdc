"""Nothing on the disk can be read without the key: fifty known values, in every likely encoding."""

from __future__ import annotations

import base64
import gzip
import random
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.model import CellKey, CellResult, CellState, Constraint, Constraints, Relation, Resource, Ternary
from tests.storage.canaries import found, readable

if TYPE_CHECKING:
    from cloudops_nb.storage.facade import StorageService

_WORDS = random.Random(50)  # noqa: S311 - the same values in every run
CANARIES = [f"{kind}-{_WORDS.getrandbits(64):016x}" for kind in ("canary", "kanarienvogel") for _ in range(21)] + [
    *(f"{_WORDS.randrange(10**11, 10**12)}" for _ in range(4)),
    *(f"xx-{place}-7" for place in ("canaryland", "birdisland", "yellowcoast", "songvalley")),
]


@pytest.mark.fast
@pytest.mark.parametrize(
    "hide",
    [
        str.encode,
        lambda value: value.encode("utf-16-le"),
        lambda value: value.encode("utf-16-be"),
        lambda value: value.upper().encode(),
        lambda value: value.encode().hex().encode(),
        lambda value: base64.b64encode(value.encode()),
        lambda value: base64.b64encode(b"x" + value.encode() + b"xyz"),
        lambda value: base64.urlsafe_b64encode(b"xy" + value.encode() + b"x"),
        lambda value: gzip.compress(value.encode()),
        lambda value: zlib.compress(value.encode("utf-16-le")),
        lambda value: gzip.compress(base64.b64encode(value.encode())),
    ],
)
def test_a_hidden_value_is_found(hide) -> None:
    content = bytes(5000) + b"\x78\x9c rubbish " + hide(CANARIES[0]) + b"\x1f\x8b\x08 rubbish" + bytes(9000)
    assert found(content, CANARIES) == {CANARIES[0]}


def resource(number: int, values: list[str]) -> Resource:
    """A resource with a canary in every field that takes a text."""
    return Resource(
        resource_type="ec2_instance",
        identifier=values[0],
        account_id=CANARIES[42 + number % 4],
        region=CANARIES[46 + number % 4],
        service="ec2",
        arn=f"arn:aws:ec2:::{values[1]}",
        name=values[2],
        state=values[3],
        account_name=values[4],
        tags={values[5]: values[6], "Name": values[2]},
        constraints=Constraints(can_stop=Constraint(Ternary.FALSE, values[7]), facts={values[8]: values[9]}),
        relations=(Relation("in_subnet", "ec2_subnet", values[10]),),
        metadata={values[11]: [values[12], {"inner": values[13]}]},
    )


def fill(storage: StorageService) -> None:
    """Put every canary through every door of the store."""
    estate = [resource(number, CANARIES[start : start + 14]) for number, start in enumerate((0, 14, 28, 0))]
    storage.estate.upsert(estate, scan_id=CANARIES[0])
    for one in estate:
        key = CellKey(one.account_id, one.region, one.resource_type)
        now = datetime.now(UTC)
        storage.estate.finish_cell(CellResult(key, CellState.ERROR, now, 1.0, detail=CANARIES[1]), scan_id=CANARIES[2])
    for canary in CANARIES:
        storage.chat.append(canary, "user", f"stop {canary} now", {"resources": [canary]})
        storage.chat.retitle(canary, canary)
        storage.journal.append("plan", canary, {"target": canary, canary: 1}, once=canary)
    storage.estate.search(f"{CANARIES[0]} in {CANARIES[46]}")
    storage.flush()


def test_no_file_of_a_store_gives_a_value_away(storage: StorageService, tmp_path) -> None:
    fill(storage)
    data_path = storage.vault.data_path
    assert storage.estate.lookup(CANARIES[0])
    storage.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"journal.db", "owner.log", "store.json"} <= {path.name for path in files if data_path in path.parents}
    assert not readable(files, CANARIES)
