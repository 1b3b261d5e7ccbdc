"""Writing in batches that overlap: as if they came one after the other."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import StorageError
from cloudops_nb.model import Constraints, Resource
from cloudops_nb.storage.estate.estate_writer import BATCH, UpsertReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloudops_nb.storage.engines.vector_store import Point
    from cloudops_nb.storage.facade import StorageService

SEEN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
BUCKET = Resource(
    "s3_bucket", "logs", "123456789012", "eu-west-1", "s3", "arn:aws:s3:::logs", tags={"Team": "a", "App": "b"},
    constraints=Constraints(facts={"versioned": True, "public": False}),
    metadata={"size": 1, "rules": [{"id": "r", "days": 3}], "nested": {"x": None, "y": 2.5}}, last_synced=SEEN,
)  # fmt: skip


def buckets(count: int) -> list[Resource]:
    return [replace(BUCKET, identifier=f"logs-{number}", arn=f"arn:aws:s3:::logs-{number}") for number in range(count)]


def lanes() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("estate-writer")]


def test_every_batch_is_written_and_found_unchanged_the_next_time(storage: StorageService) -> None:
    estate = buckets(3 * BATCH + 7)

    assert storage.estate.upsert(estate, scan_id="one") == UpsertReport(written=len(estate))
    assert {hit.resource.arn for hit in storage.estate.resources()} == {bucket.arn for bucket in estate}
    assert storage.estate.upsert(estate, scan_id="two") == UpsertReport(unchanged=len(estate))
    assert lanes() == []


def test_of_a_resource_that_comes_twice_the_latter_counts_however_far_apart(storage: StorageService) -> None:
    estate = buckets(2 * BATCH)
    report = storage.estate.upsert([*estate, replace(estate[0], state="gone")], scan_id="one")
    found = storage.estate.get(estate[0].arn)

    assert report == UpsertReport(written=len(estate))
    assert found is not None
    assert found.state == "gone"


def test_every_batch_distinguishes_unchanged_changed_reembedded_and_new_resources(storage: StorageService) -> None:
    estate = buckets(2 * BATCH)
    storage.estate.upsert(estate, scan_id="one")
    changed = [
        replace(bucket, metadata={"size": 2})
        if number % 3 == 1
        else replace(bucket, name="new")
        if number % 3
        else bucket
        for number, bucket in enumerate(buckets(2 * BATCH + 50))
    ]
    same = sum(number % 3 == 0 for number in range(2 * BATCH))

    assert storage.estate.upsert(changed, scan_id="two") == UpsertReport(len(changed) - same, same)
    assert {hit.resource.arn: hit.resource for hit in storage.estate.resources()} == {
        each.arn: each for each in changed
    }


def test_the_order_of_keys_is_no_change(storage: StorageService) -> None:
    storage.estate.upsert([BUCKET], scan_id="one")
    turned = replace(
        BUCKET,
        tags={"App": "b", "Team": "a"},
        constraints=Constraints(facts={"public": False, "versioned": True}),
        metadata={"nested": {"y": 2.5, "x": None}, "rules": [{"days": 3, "id": "r"}], "size": 1},
    )

    assert storage.estate.upsert([turned], scan_id="two") == UpsertReport(unchanged=1)


def test_a_later_time_of_another_scan_is_kept(storage: StorageService) -> None:
    later = replace(BUCKET, last_synced=SEEN + timedelta(hours=1))
    storage.estate.upsert([later], scan_id="one")
    storage.estate.upsert([replace(BUCKET, state="changed")], scan_id="two")
    found = storage.estate.get(BUCKET.arn)

    assert found is not None
    assert (found.state, found.last_synced) == ("changed", later.last_synced)


def test_when_a_batch_fails_nothing_is_left_under_way(storage: StorageService, monkeypatch: pytest.MonkeyPatch) -> None:
    store, sent = storage.vector_store, []
    original = store.upsert

    def second_fails(collection: str, points: Sequence[Point]) -> None:
        sent.append(len(points))
        if len(sent) == 2:
            raise StorageError("nothing was written", "the disk is full")
        original(collection, points)

    with monkeypatch.context() as patch:
        patch.setattr(store, "upsert", second_fails)
        with pytest.raises(StorageError, match="the disk is full"):
            storage.estate.upsert(buckets(6 * BATCH), scan_id="one")
        begun = len(sent)

    assert lanes() == []
    assert begun <= 3
    assert len(sent) == begun
    assert storage.estate.upsert(buckets(6 * BATCH), scan_id="two").written >= 4 * BATCH
    assert storage.estate.count() == 6 * BATCH
