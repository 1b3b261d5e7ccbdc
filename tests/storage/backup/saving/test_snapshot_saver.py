"""How long snapshots are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.storage.backup.archive import Header, write_archive
from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
from cloudops_nb.storage.backup.saving.snapshot_saver import expired, prune
from cloudops_nb.storage.backup.snapshot import Snapshot, snapshot_name
from cloudops_nb.storage.keys.master_key import MasterKey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

MINE = "a" * 32
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def aged(hours: float, kind: str = "journal") -> Snapshot:
    created = NOW - timedelta(hours=hours)
    return Snapshot(kind, snapshot_name(kind, created), created, 1)


@given(st.lists(st.integers(0, 1000), unique=True), st.floats(0.5, 30))
def test_everything_young_is_kept_and_nothing_else(ages: list[int], days: float) -> None:
    snapshots = [aged(age) for age in ages]
    kept = set(snapshots) - set(expired(snapshots, days, NOW))

    assert kept == {aged(age) for age in ages if age <= days * 24}


def test_no_days_keep_everything() -> None:
    assert expired([aged(1), aged(10_000)], 0, NOW) == []


def put(place: SnapshotFolder, hours: float, store_id: str = MINE) -> Snapshot:
    with place.create("journal", aged(hours).created) as draft:
        header = Header(kind="journal", store_id=store_id, created=draft.created, key_fingerprint="ab" * 16)
        write_archive(draft.stream, MasterKey.generate(), header, [], [])
    return draft.snapshot


def test_expired_snapshots_are_removed_except_the_newest_and_those_of_other_stores(tmp_path: Path) -> None:
    place = SnapshotFolder(tmp_path)
    oldest, kept, foreign = put(place, 300), put(place, 200), put(place, 250, "b" * 32)
    nameless, damaged = put(place, 260, ""), put(place, 270)
    place.path(damaged).write_bytes(b"damaged")

    assert prune(place, kept, 7, NOW, MINE) == [oldest]
    left = {snapshot.name for snapshot in place.snapshots("journal")}
    assert left == {kept.name, foreign.name, nameless.name, damaged.name}


@pytest.mark.parametrize("days", [36_500.0, 1e300])
def test_the_longest_time_is_a_time(days: float) -> None:
    assert expired([aged(1), Snapshot("journal", "n", datetime(1970, 1, 1, tzinfo=UTC), 1)], days, NOW) == []
