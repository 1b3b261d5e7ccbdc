"""Replacing parts of a store as one: whatever the moment of a kill, all of the old store or all of the new one."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

import pytest

from cloudops_nb.errors import StoreCorruptedError, StoreUnavailableError
from cloudops_nb.model import Resource
from cloudops_nb.storage.engines.owner.shards import Shards
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Point
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.files.store_file import HEAD_NAME, STORE_NAME
from cloudops_nb.storage.opening import handover, usage_lock
from cloudops_nb.storage.opening.handover import discard_leftovers, hand_over, handover_pending, next_file
from cloudops_nb.storage.schedule import scheduler
from tests.storage.conftest import header_of

OLD = Resource("s3_bucket", "old", "123456789012", "eu-west-1", "s3", name="old")
NEW = Resource("s3_bucket", "new", "123456789012", "eu-west-1", "s3", name="new")


class KilledError(Exception):
    """Simulates the death of the process at this point."""


def names(storage: StorageService) -> set[str]:
    return {hit.resource.name for hit in storage.estate.resources()}


def build_aside(storage: StorageService) -> None:
    """Stage an estate with NEW in the place of OLD, and a header made in another year."""
    storage.estate.upsert([OLD], scan_id="one")
    points = {point.id: point for point in storage.vector_store.points(AWS_ESTATE.name)}
    storage.estate.upsert([NEW], scan_id="one")
    new = [point for point in storage.vector_store.points(AWS_ESTATE.name) if point.id not in points]
    storage.estate.delete(NEW.canonical_key)
    staged = storage.vector_store.stage(AWS_ESTATE.name)
    storage.vector_store.upsert(staged, new)
    header = header_of(storage.vault.store_file)
    later = header.model_copy(update={"created": header.created.replace(year=2001)})
    next_file(storage.vault.data_path, STORE_NAME).write_text(later.model_dump_json())


def year(storage: StorageService) -> int:
    return header_of(storage.vault.store_file).created.year


def test_all_parts_are_replaced(storage: StorageService) -> None:
    with storage.alone():
        build_aside(storage)
        assert names(storage) == {"old"}
        hand_over(storage.vault.data_path, storage.vector_store, [AWS_ESTATE.name, CHAT_HISTORY.name])
    assert (names(storage), year(storage)) == ({"new"}, 2001)
    assert not list(storage.vault.data_path.rglob("*.next"))
    assert not list(storage.vault.data_path.rglob("*.staged"))
    assert not list(storage.vault.data_path.rglob("*.replaced"))


def test_before_the_commit_point_nothing_has_happened(storage: StorageService) -> None:
    with storage.alone():
        build_aside(storage)
    assert (names(storage), year(storage) == 2001) == ({"old"}, False)
    with storage.alone():
        discard_leftovers(storage.vault.data_path, storage.vector_store)
        assert storage.vector_store.count(AWS_ESTATE.name, EVERY_POINT) == 1
    assert not list(storage.vault.data_path.rglob("*.next"))
    assert not list(storage.vault.data_path.rglob("*.staged"))


@pytest.mark.parametrize("place", ["adopt", "_replace_file", "sync_folder"])
def test_a_kill_after_the_commit_point_is_mended_by_the_next_opening(storage, key_settings, place, monkeypatch) -> None:
    def killed(*_: object) -> None:
        raise KilledError

    with storage.alone():
        build_aside(storage)
        store, path = storage.vector_store, storage.vault.data_path
        target = store if place == "adopt" else handover
        with monkeypatch.context() as patched:
            patched.setattr(target, place, killed)
            with pytest.raises(KilledError):
                hand_over(path, store, [AWS_ESTATE.name])
    with StorageService(key_settings, storage._embedder) as other:
        assert (names(other), year(other)) == ({"new"}, 2001)
        assert not handover_pending(path)


def test_a_kill_between_the_two_renames_of_a_shard_is_mended(tmp_path: Path, monkeypatch) -> None:
    shards = Shards(tmp_path)
    for name, identifier in ((CHAT_HISTORY.name, 1), ("chat_history.staged", 2)):
        point = Point(f"00000000-0000-4000-8000-{identifier:012}", {}, b"\0\0\x80?")
        shards.run("upsert", {"collection": name, "points": [point]})
    renamed: list[Path] = []
    rename = Path.rename

    def once(path: Path, target: Path) -> Path:
        if renamed:
            raise KilledError
        renamed.append(target)
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", once)
        with pytest.raises(KilledError):
            shards.run("adopt", {"collection": CHAT_HISTORY.name})
    page, _ = shards.run(
        "points_page", {"collection": CHAT_HISTORY.name, "where": EVERY_POINT, "limit": 9, "after": None}
    )
    shards.close()
    assert [point.id[-1] for point in page] == ["2"]


def test_staging_again_drops_the_earlier_attempt(storage: StorageService) -> None:
    with storage.alone():
        build_aside(storage)
        staged = storage.vector_store.stage(AWS_ESTATE.name)
        assert storage.vector_store.count(staged, EVERY_POINT) == 0
        storage.vector_store.discard(AWS_ESTATE.name)
        storage.vector_store.discard(AWS_ESTATE.name)
        storage.vector_store.adopt([AWS_ESTATE.name])
    assert names(storage) == {"old"}


def test_points_come_back_whole(storage: StorageService) -> None:
    storage.estate.upsert([OLD, NEW], scan_id="one")
    with storage.alone():
        points = list(storage.vector_store.points(AWS_ESTATE.name))
        staged = storage.vector_store.stage(AWS_ESTATE.name)
        storage.vector_store.upsert(staged, points)
        copies = list(storage.vector_store.points(staged))
    assert copies == points
    assert all(point.sparse for point in points)


def test_a_damaged_handover_is_one_clear_error(storage: StorageService, key_settings) -> None:
    assert storage.estate.count() == 0
    storage.close()
    (key_settings.data_path / handover.HANDOVER_NAME).write_text("{")
    with pytest.raises(StoreCorruptedError, match="damaged"):
        storage.estate.count()


def test_maintenance_shuts_every_other_user_out(storage: StorageService, key_settings, monkeypatch) -> None:
    monkeypatch.setattr(usage_lock, "ALONE_SECONDS", 0.2)
    monkeypatch.setattr(usage_lock, "SHARED_SECONDS", 0.2)
    assert storage.estate.count() == 0
    with StorageService(key_settings, storage._embedder) as other:
        with pytest.raises(StoreUnavailableError, match="in use"), other.alone():
            pytest.fail("there were two")
        storage.close()
        with other.alone(), pytest.raises(StoreUnavailableError, match="doing maintenance"):
            storage.estate.count()
        assert storage.estate.count() == 0


def test_what_was_taken_before_maintenance_is_closed_for_good(storage: StorageService) -> None:
    estate, journal = storage.estate, storage.journal
    journal.append("note", "", {})
    estate.count()
    with storage.alone():
        assert storage.journal.verify().count == 1
    for use in (estate.count, journal.verify):
        with pytest.raises(StoreUnavailableError, match="was closed"):
            use()
    assert (storage.estate.count(), storage.journal.verify().count) == (0, 1)
    assert (storage.vault.data_path / HEAD_NAME).exists()


def test_nothing_that_was_taken_before_closing_writes_afterwards(storage: StorageService) -> None:
    journal = storage.journal
    journal.append("note", "", {})
    storage.close()
    with pytest.raises(StoreUnavailableError, match="was closed"):
        journal.append("note", "", {})
    assert storage.journal.verify().count == 1


def test_an_interrupt_while_parts_close_releases_the_exclusive_lock(storage, key_settings, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(usage_lock, "ALONE_SECONDS", 0.2)
    with monkeypatch.context() as patched:
        patched.setattr(storage.journal.__class__, "retire", interrupted)
        with pytest.raises(KeyboardInterrupt), storage.alone():
            assert storage.journal.verify().count == 0
    assert storage.journal.verify().count == 0
    with (
        StorageService(key_settings, storage._embedder) as other,
        pytest.raises(StoreUnavailableError, match="in use"),
        other.alone(),
    ):
        pytest.fail("there were two")


def test_maintenance_is_refused_while_a_reason_blocks_it(storage: StorageService) -> None:
    reasons = ["an approved plan is running here"]
    storage.block_maintenance_while(lambda: "".join(reasons))
    with pytest.raises(StoreUnavailableError, match="an approved plan is running here"), storage.alone():
        pytest.fail("it was needed")
    reasons.clear()
    with storage.alone():
        assert storage.estate.count() == 0


def test_a_regular_run_that_outlasts_closing_does_not_open_the_store_again(storage, monkeypatch) -> None:
    monkeypatch.setattr(scheduler, "STOP_SECONDS", 0.1)
    begun, go_on = threading.Event(), threading.Event()
    seen: SimpleQueue[int | str] = SimpleQueue()

    def slow() -> None:
        begun.set()
        go_on.wait(60)
        try:
            seen.put(storage.chat.expire(datetime.now(UTC)))
        except StoreUnavailableError as error:
            seen.put(str(error))

    assert storage.estate.count() == 0
    monkeypatch.setattr(storage.backup._scheduler, "run_due", lambda *_: slow())
    storage.backup.start()
    assert begun.wait(60)
    storage.close()
    go_on.set()
    assert seen.get(timeout=60) == "the store was closed: this task was still running."
    with storage.alone():
        pass
