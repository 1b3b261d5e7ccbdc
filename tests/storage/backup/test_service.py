"""Backups as a whole: in two places, with one of them down, kept as long as they should be, unreadable to others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.places import snapshot_bucket as s3_module
from cloudops_nb.storage.backup.saving.regular_tasks import CHAT_RETENTION
from cloudops_nb.storage.backup.service import BackupService
from cloudops_nb.storage.backup.snapshot import KINDS, Snapshot, snapshot_name
from cloudops_nb.storage.facade import StorageService
from tests.storage.backup.conftest import BUCKET, free_ports
from tests.storage.backup.store_contents import contents, fill, forge, restored, saved
from tests.storage.canaries import found, readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cloudops_nb.settings import Settings

CANARIES = ["pg-payroll", "payments", "incident", "The payroll incident", "message 3", "rds:StopDBInstance", "plan-2"]


@pytest.fixture
def key_settings(s3_settings: Settings) -> Settings:
    """The store of these tests has a bucket."""
    return s3_settings


@pytest.fixture
def filled(storage: StorageService) -> Iterator[StorageService]:
    fill(storage)
    yield storage
    storage.backup.close()


@pytest.fixture
def down(monkeypatch: pytest.MonkeyPatch, s3_environment: None) -> None:
    """S3 does not answer."""
    monkeypatch.setattr(s3_module, "ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"data_path": tmp_path / "new"})


def objects(bucket: Any, settings: Settings) -> dict[str, bytes]:
    listed = bucket.list_objects_v2(Bucket=BUCKET, Prefix=settings.s3_prefix).get("Contents", [])
    return {entry["Key"]: bucket.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in listed}


def test_a_new_machine_with_the_key_gets_everything_from_s3(
    filled: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    before = contents(filled)
    report = filled.backup.snapshot()
    assert report.ok
    assert {(row.kind, row.points, row.local, row.s3) for row in saved(report)} == {
        ("journal", 3, True, True),
        ("aws_estate", 5, True, True),
        ("chat_history", 5, True, True),
    }

    with StorageService(elsewhere(key_settings, tmp_path), lambda: embedder) as other:
        loaded = other.backup.restore("latest")
        assert loaded.ok
        assert {row.place for row in restored(loaded)} == {"S3"}
        assert contents(other) == before
        assert [hit.resource.iam.allowed for hit in other.estate.resources()] == [("rds:StopDBInstance",)] * 5


def test_both_places_are_listed_as_one_the_newest_first(
    filled: StorageService, key_settings: Settings, bucket: Any
) -> None:
    assert filled.backup.snapshot().ok
    assert filled.backup.snapshot("journal").ok
    older, newer = sorted(filled.backup.local.snapshots("journal"), key=lambda snapshot: snapshot.created)
    filled.backup.local.remove(older)
    filled.backup.s3.remove(newer)
    rows = filled.backup.snapshots().table()

    assert [row["created"] for row in rows] == sorted((row["created"] for row in rows), reverse=True)
    journals = [(row["name"], row["points"], row["local"], row["s3"]) for row in rows if row["kind"] == "journal"]
    assert journals == [(newer.name, 3, True, False), (older.name, 3, False, True)]


def test_the_copy_in_s3_serves_when_the_one_here_is_damaged(filled: StorageService) -> None:
    before = contents(filled)
    assert filled.backup.snapshot("chat_history").ok
    (here,) = filled.backup.local.snapshots("chat_history")
    filled.backup.local.path(here).write_bytes(b"damaged")
    filled.chat.append("incident", "user", "one more")

    (row,) = restored(filled.backup.restore(here.name))
    assert (row.outcome, row.place) == ("replaced", "S3")
    assert contents(filled) == before


@pytest.mark.parametrize("damage", [lambda content: content[:-200], lambda content: content[:300] + content[301:]])
def test_half_an_upload_is_refused_and_nothing_is_replaced(
    filled: StorageService, key_settings: Settings, bucket: Any, damage: Any
) -> None:
    assert filled.backup.snapshot().ok
    for key, content in objects(bucket, key_settings).items():
        bucket.put_object(Bucket=BUCKET, Key=key, Body=damage(content))
    for kind in KINDS:
        for snapshot in filled.backup.local.snapshots(kind):
            filled.backup.local.remove(snapshot)
    filled.chat.append("incident", "user", "one more")
    before = contents(filled)
    report = filled.backup.restore()

    assert [row.outcome for row in restored(report)] == ["failed"] * 3
    assert contents(filled) == before
    assert not list(filled.backup.local.folder.glob("*/*"))


def test_without_s3_the_snapshot_is_here_and_the_report_says_so(filled: StorageService, down: None) -> None:
    report = filled.backup.snapshot("journal")
    (row,) = saved(report)
    (problem,) = report.problems

    assert (row.local, row.s3) == (True, False)
    assert "S3 does not answer" in problem
    assert f"journal: {row.name} on this disk, 3 rows" in str(report)
    assert len(filled.backup.local.snapshots("journal")) == 1


def test_without_s3_the_list_and_a_restore_use_this_disk_and_say_so(filled: StorageService, down: None) -> None:
    filled.backup.snapshot("chat_history")
    listed = filled.backup.snapshots()
    assert [(row.kind, row.local, row.s3) for row in saved(listed)] == [("chat_history", True, False)]
    assert listed.problems[0].startswith("the snapshots in S3 cannot be listed: S3 does not answer.")

    (row,) = restored(filled.backup.restore("latest", "chat_history"))
    assert row.outcome == "replaced"
    assert row.note.startswith("only the local disk was searched: ")


def test_old_snapshots_go_from_both_places_and_the_newest_of_each_kind_stays(
    filled: StorageService, key_settings: Settings
) -> None:
    clock = Clock()
    backups = BackupService(filled, key_settings, clock=clock)
    for _ in range(2):
        assert backups.snapshot("journal").ok
        assert backups.snapshot("chat_history").ok
        clock.now += timedelta(days=20)
    assert backups.snapshot("journal").ok
    here = {kind: len(backups.local.snapshots(kind)) for kind in KINDS}
    there = {kind: len(backups.s3.snapshots(kind)) for kind in KINDS}
    backups.close()

    assert here == {"journal": 1, "aws_estate": 0, "chat_history": 1}
    # Of what was not saved last, nothing is removed.
    assert there == {"journal": 2, "aws_estate": 0, "chat_history": 2}


def test_a_snapshot_is_unreadable_without_the_key_here_and_in_the_bucket(
    filled: StorageService, key_settings: Settings, bucket: Any
) -> None:
    assert filled.backup.snapshot().ok
    kept = objects(bucket, key_settings)

    assert len(kept) == 4  # and the marker
    assert readable(filled.backup.local.folder.glob("*/*"), CANARIES) == {}
    assert {key: found(key.encode() + content, CANARIES) for key, content in kept.items()} == {
        key: set() for key in kept
    }


def test_one_kind_that_fails_keeps_no_other_from_being_saved(filled: StorageService) -> None:
    with filled.journal.database.writing() as connection:
        connection.execute("DELETE FROM records WHERE sequence = 2")
    report = filled.backup.snapshot()

    assert [(row.kind, row.local, row.s3) for row in saved(report)] == [
        ("journal", False, False),
        ("aws_estate", True, True),
        ("chat_history", True, True),
    ]
    assert len(report.problems) == 1
    assert str(report).startswith("journal: no snapshot\n")


def test_regular_backups_make_up_for_what_was_missed_and_tell_how_it_went(
    filled: StorageService, key_settings: Settings
) -> None:
    clock = Clock()
    backups = BackupService(filled, key_settings, clock=clock)
    assert backups._scheduler.run_due() == []
    clock.now += timedelta(hours=7)
    assert backups._scheduler.run_due() == ["journal", "aws_estate"]
    clock.now += timedelta(hours=20)
    assert backups._scheduler.run_due() == ["journal", "aws_estate", "chat_history", CHAT_RETENTION]
    status = backups.status()
    backups.close()

    assert not status["running"]
    assert [(task["task"], task["every_hours"]) for task in status["tasks"]] == [
        ("journal", 6.0),
        ("aws_estate", 6.0),
        ("chat_history", 24.0),
        (CHAT_RETENTION, 24.0),
    ]
    assert {task["last"] for task in status["tasks"]} == {clock.now}
    assert {task["error"] for task in status["tasks"]} == {""}


def test_a_regular_upload_that_failed_is_made_up_for_without_another_snapshot(
    filled: StorageService, key_settings: Settings, monkeypatch: pytest.MonkeyPatch, s3_server: str
) -> None:
    monkeypatch.setattr(s3_module, "ATTEMPTS", 1)
    clock = Clock()
    settings = key_settings.model_copy(update={"backup_estate_hours": 0.0, "chat_retention_days": 0.0})
    backups = BackupService(filled, settings, clock=clock)
    backups._scheduler.run_due()
    clock.now += timedelta(hours=25)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    assert backups._scheduler.run_due() == ["journal", "chat_history"]
    errors = [task["error"] for task in backups.status()["tasks"]]
    assert all("S3 does not answer" in error for error in errors)

    backups.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    clock.now += timedelta(hours=1)
    assert backups._scheduler.run_due() == ["journal", "chat_history"]
    assert [task["error"] for task in backups.status()["tasks"]] == ["", ""]
    for kind in ("journal", "chat_history"):
        assert backups.local.snapshots(kind) == backups.s3.snapshots(kind)
        assert len(backups.local.snapshots(kind)) == 1
    backups.close()


def test_conversations_expire_regularly(filled: StorageService, key_settings: Settings) -> None:
    clock = Clock()
    clock.now = datetime.now(UTC)
    settings = key_settings.model_copy(update={"s3_bucket": "", "backup_estate_hours": 0.0, "backup_chat_hours": 0.0})
    backups = BackupService(filled, settings, clock=clock)
    backups._scheduler.run_due()
    clock.now += timedelta(days=89)
    assert backups._scheduler.run_due() == [CHAT_RETENTION]
    assert len(filled.chat.conversations()) == 1
    clock.now += timedelta(days=2)
    assert backups._scheduler.run_due() == [CHAT_RETENTION]

    assert filled.chat.conversations() == []


def test_health_looks_at_both_places(filled: StorageService) -> None:
    assert "there is no backup" in filled.health()["warnings"]
    assert filled.backup.snapshot("journal").ok
    health = filled.health()

    assert health["s3"] == {"configured": True, "reachable": True, "problem": ""}
    assert health["newest_backup"] == saved(filled.backup.snapshots())[0].created
    assert health["warnings"] == ["there is no backup of aws_estate", "there is no backup of chat_history"]
    assert not health["schedule"]["running"]


def test_health_says_that_s3_does_not_answer_and_that_backups_are_old(filled: StorageService, down: None) -> None:
    created = datetime.now(UTC) - timedelta(hours=50)
    for kind in KINDS:
        forge(filled, [], kind=kind, created=created)
    health = filled.health()

    assert health["s3"]["reachable"] is False
    assert "S3 does not answer" in health["s3"]["problem"]
    assert {f"the newest backup of {kind} is 50 hours old" for kind in KINDS} < set(health["warnings"])


def test_a_started_service_runs_until_it_is_closed(filled: StorageService) -> None:
    filled.backup.start()
    assert filled.backup.status()["running"]
    filled.close()

    assert not filled.backup.status()["running"]


def test_a_snapshot_without_bytes_says_no_number_of_rows(filled: StorageService) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with filled.backup.local.create("journal", moment):
        pass

    (row,) = saved(filled.backup.snapshots())
    assert (row.name, row.points, row.bytes) == (snapshot_name("journal", moment), None, 0)
    assert filled.backup.s3.rows(Snapshot("journal", row.name, moment, 0)) is None


def test_stores_that_share_a_key_and_a_prefix_leave_each_other_s_snapshots_alone(
    filled: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any, bucket: Any
) -> None:
    assert filled.backup.snapshot().ok
    kept = objects(bucket, key_settings)
    with StorageService(elsewhere(key_settings, tmp_path), lambda: embedder) as other:
        other.chat.append("mine", "user", "hello")
        report = other.backup.snapshot()
        assert [(row.local, row.s3) for row in saved(report)] == [(True, False)] * 3
        assert all("Set another s3_prefix for this store" in p for p in report.problems)
        assert {row.s3 for row in saved(other.backup.snapshots())} == {False}
        assert {row.place for row in restored(other.backup.restore("latest"))} == {"this disk"}
        assert [conversation.name for conversation in other.chat.conversations()] == ["mine"]

        (row,) = restored(
            other.backup.restore(filled.backup.local.path(filled.backup.local.snapshots("chat_history")[0]))
        )
        assert (row.outcome, row.note) == ("replaced", "it is a snapshot of another store")
    assert objects(bucket, key_settings) == kept


def test_a_restore_into_a_new_store_takes_over_the_old_one_s_id_and_prefix(
    filled: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    assert filled.backup.snapshot().ok
    with StorageService(elsewhere(key_settings, tmp_path), lambda: embedder) as other:
        assert other.backup.restore().ok
        assert other.vault.store_file.identify() == filled.vault.store_file.identify()
        assert other.backup.snapshot().ok


def test_a_name_that_another_host_took_in_s3_gets_the_next_second(
    filled: StorageService, key_settings: Settings, bucket: Any
) -> None:
    clock = Clock()
    backups = BackupService(filled, key_settings, clock=clock)
    key = f"{key_settings.s3_prefix}/snapshots/journal/{snapshot_name('journal', clock.now)}"
    bucket.put_object(Bucket=BUCKET, Key=key, Body=b"another host's")
    report = backups.snapshot("journal")
    backups.close()

    assert report.ok
    assert saved(report)[0].name == snapshot_name("journal", clock.now + timedelta(seconds=1))
    assert objects(bucket, key_settings)[key] == b"another host's"
    assert len(filled.backup.local.snapshots("journal")) == 1


def test_what_cannot_be_tidied_is_said_and_fails_no_regular_backup(
    filled: StorageService, key_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: object) -> int:
        raise BackupError("unfinished uploads cannot be removed from S3", "S3 refuses the access")

    monkeypatch.setattr(s3_module.SnapshotBucket, "abort_abandoned", refused)
    clock = Clock()
    backups = BackupService(filled, key_settings, clock=clock)
    backups._scheduler.run_due()
    clock.now += timedelta(hours=7)
    assert backups._scheduler.run_due() == ["journal", "aws_estate"]
    assert backups._scheduler.run_due() == []
    clock.now += timedelta(minutes=31)
    assert backups._scheduler.run_due() == []
    tasks = backups.status()["tasks"]
    backups.close()

    assert {task["error"] for task in tasks} == {""}
    assert "S3 refuses the access" in tasks[0]["note"]


def test_the_latest_is_the_next_whole_one_where_the_newest_is_damaged_and_never_of_the_future(
    filled: StorageService, key_settings: Settings
) -> None:
    settings = key_settings.model_copy(update={"s3_bucket": ""})
    clock = Clock()
    backups = BackupService(filled, settings, clock=clock)
    before = contents(filled)["chat"]
    for _ in range(3):
        assert backups.snapshot("chat_history").ok
        filled.chat.append("incident", "user", "one more")
        clock.now += timedelta(days=1)
    oldest, middle, newest = sorted(backups.local.snapshots("chat_history"), key=lambda snapshot: snapshot.created)
    backups.local.path(newest).write_bytes(b"damaged")
    future = middle.name.replace("2026-", "2031-")
    backups.local.path(middle).rename(backups.local.path(middle).with_name(future))

    (row,) = restored(backups.restore("latest", "chat_history"))
    assert (row.outcome, row.name) == ("replaced", oldest.name)
    assert newest.name in row.note
    assert filled.chat.history("incident") == before
    (row,) = restored(backups.restore(future))
    assert row.outcome == "failed"
    assert "under another name" in row.note
