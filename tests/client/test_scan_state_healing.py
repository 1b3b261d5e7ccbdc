"""A scan of everything that is configured heals a scan state that was altered; another scan does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.client.scanning import ScanRunner
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.journal.scan_anchor import TURN
from tests.embedders import EvenEmbedder
from tests.scan_crash.world import TYPES, aws_of, sessions_of, settings_of
from tests.storage.conftest import ended_owners
from tests.synthetic_aws import SyntheticAws
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudops_nb.storage.estate.integrity import IntegrityReport

SCANNED = TYPES[:3]


class Host:
    """A store whose settings name three services, and a simulated AWS with two accounts and two regions."""

    def __init__(self, storage: StorageService, folder: Path) -> None:
        self.storage = storage
        settings = settings_of(folder).model_copy(update={"services": SCANNED})
        self.runner = ScanRunner(storage, lambda: sessions_of(aws_of(1)), settings)

    def scan(self, **options: Any) -> IntegrityReport:
        self.runner.scan(**{"services": SCANNED, **options})
        return self.check()

    def check(self) -> IntegrityReport:
        return self.storage.estate.integrity.check()

    def stored(self) -> list[tuple[str, bytes]]:
        with self.storage.journal.database.reading() as connection:
            return connection.execute("SELECT cell, envelope FROM cells").fetchall()

    def put_back(self, rows: list[tuple[str, bytes]]) -> None:
        with self.storage.journal.database.writing() as connection:
            connection.execute("DELETE FROM cells")
            connection.executemany("INSERT INTO cells VALUES (?, ?)", rows)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    embedder = EvenEmbedder()
    for name, value in SyntheticAws().environment.items():
        monkeypatch.setenv(name, value)
    with ended_owners(tmp_path), StorageService(settings_of(tmp_path), lambda: embedder) as storage:
        host = Host(storage, tmp_path)
        report = host.scan()
        assert (report.warnings(), report.unfinished) == ([], [])
        assert report.verified > 8
        yield host


@pytest.mark.parametrize("left", [0, 1, 5])
def test_only_a_full_scan_of_everything_heals(host: Host, left: int) -> None:
    host.put_back(host.stored()[:left])
    assert host.check().scan_state
    for restricted in (
        {"mode": "incremental"},
        {"regions": ["eu-west-1"]},
        {"accounts": ["123456789012"]},
        {"services": SCANNED[:2]},
    ):
        assert host.scan(**restricted).scan_state
    assert host.scan().warnings() == []
    report = host.scan(mode="incremental")  # writes the cells of its lookups, which a full scan does not read
    assert (report.warnings(), report.unfinished) == ([], [])


def test_an_older_scan_state_shows_after_further_scans(host: Host) -> None:
    older = host.stored()
    host.scan(mode="incremental")
    host.put_back(older)
    assert host.check().scan_state == "it is older than the journal"
    assert host.scan(regions=["eu-west-1"]).scan_state == "records were changed"
    assert host.scan().warnings() == []


def test_a_scan_during_which_an_older_copy_was_put_back_does_not_hide_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudops_nb.client.scan_writer._BATCH", 1)
    calls: list[list[tuple[str, bytes]]] = []

    def put_back(_: object) -> None:
        calls.append(host.stored())
        if len(calls) == 10:
            until(lambda: host.stored() != calls[0], "a write")
            host.put_back(calls[0])

    assert host.scan(regions=["eu-west-1"], progress=put_back).scan_state
    assert len(calls) > 10
    assert host.scan().warnings() == []


def test_each_end_of_a_scan_is_recorded_with_the_turn(host: Host) -> None:
    host.scan(regions=["eu-west-1"])
    host.storage.journal.append("scan_started", "dead", {})
    host.runner.recover()
    turns = [record.body[TURN] for record in host.storage.journal.records(kind="scan_ended")]
    assert len(turns) == 3
    assert turns == sorted(turns)
    assert turns[-1] == host.storage.scan_state.turn() > 0
