"""How long snapshots are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudops_nb.storage.backup.local import LocalPlace
from cloudops_nb.storage.backup.retention import expired, prune
from cloudops_nb.storage.backup.snapshot import KINDS, Snapshot, snapshot_name

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def aged(hours: float, kind: str = "journal") -> Snapshot:
    created = NOW - timedelta(hours=hours)
    return Snapshot(kind, snapshot_name(kind, created), created, 1)


@given(st.lists(st.integers(0, 1000), unique=True), st.floats(0.5, 30))
def test_everything_young_and_the_newest_is_kept_and_nothing_else(ages: list[int], days: float) -> None:
    snapshots = [aged(age) for age in ages]
    kept = set(snapshots) - set(expired(snapshots, days, NOW))

    assert kept == {aged(age) for age in ages if age <= days * 24 or age == min(ages)}


def test_no_days_keep_everything() -> None:
    assert expired([aged(1), aged(10_000)], 0, NOW) == []


def test_the_newest_of_each_kind_stays_on_the_disk(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    for kind in KINDS:
        for hours in (300, 200, 1 if kind == "journal" else 250):
            with place.create(kind, aged(hours).created):
                pass
    removed = prune(place, 7, NOW)

    left = {kind: [snapshot.created for snapshot in place.snapshots(kind)] for kind in KINDS}
    assert left == {
        "journal": [aged(1).created],
        "aws_estate": [aged(200).created],
        "chat_history": [aged(200).created],
    }
    assert len(removed) == 6
