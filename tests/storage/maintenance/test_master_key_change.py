"""A new master key for a store with everything in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import (
    AlreadyRecordedError,
    CloudOpsWarning,
    EncryptionError,
    InitialisationError,
    JournalError,
    StorageError,
)
from cloudops_nb.model import CellResult, CellState
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.keys.key_lookup import find_master_key
from cloudops_nb.storage.keys.master_key import MasterKey
from cloudops_nb.storage.maintenance import master_key_change
from cloudops_nb.storage.maintenance.master_key_change import rekey
from cloudops_nb.storage.opening.handover import hand_over
from cloudops_nb.storage.opening.vault_opening import open_vault
from tests.storage.conftest import key_file_of
from tests.storage.filled_store import fill, kept_in

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


def model_id() -> str:
    return "words/1"


def slots(settings: Settings) -> list[str]:
    """The files of further keys, which have a fingerprint behind their names."""
    return [path.name for path in key_file_of(settings).parent.iterdir() if len(path.suffix) == 33]


def test_everything_is_as_it_was_under_another_key(
    storage: StorageService, key_settings: Settings, embedder: Any
) -> None:
    fill(storage)
    before, old_key = kept_in(storage), key_file_of(key_settings).read_text()
    old = storage.vault.keys.fingerprint
    report = rekey(storage, key_settings, model_id)

    assert report.fingerprint != old
    assert report.rebuilt == {"aws_estate": 6, "chat_history": 5, "journal": 3, "scan_state": 2}
    assert report.old_fingerprint == old
    assert kept_in(storage) == {**before, "journal": before["journal"] + 1}
    assert storage.vault.keys.fingerprint == report.fingerprint
    assert key_file_of(key_settings).read_text() != old_key
    assert slots(key_settings) == [f"encryption.key.{old}"]
    assert report.old_key_place == f"the key file {key_settings.key_file}.{old}"
    assert key_file_of(key_settings).with_name(f"encryption.key.{old}").read_text() == old_key
    with StorageService(key_settings, lambda: embedder) as other:
        assert kept_in(other) == {**before, "journal": before["journal"] + 1}


def test_nothing_that_the_old_key_made_is_left(storage: StorageService, key_settings: Settings) -> None:
    fill(storage)
    old = storage.vault
    ids = {row.id for row in storage.vector_store.rows(AWS_ESTATE.name, EVERY_POINT, ())}
    sealed = [row.payload["data"] for row in storage.vector_store.rows(AWS_ESTATE.name, EVERY_POINT, ("data",))]
    rekey(storage, key_settings, model_id)
    storage.flush()

    assert not ids & {row.id for row in storage.vector_store.rows(AWS_ESTATE.name, EVERY_POINT, ())}
    content = b"".join(path.read_bytes() for path in old.data_path.rglob("*") if path.is_file())
    for text in (*ids, *sealed, old.blind_index.blind("name", "cache"), old.keys.fingerprint):
        assert text.encode() not in content


def test_an_unchanged_resource_is_not_embedded_again(
    storage: StorageService, key_settings: Settings, embedder: Any
) -> None:
    fill(storage)
    resources = [hit.resource for hit in storage.estate.resources()]
    embedder.embedded.clear()
    rekey(storage, key_settings, model_id)
    assert storage.estate.upsert(resources, scan_id="scan-2").unchanged == 6
    assert embedder.embedded == []


def test_points_of_another_model_are_written_again_at_the_next_scan(
    storage: StorageService, key_settings: Settings
) -> None:
    fill(storage)
    resources = [hit.resource for hit in storage.estate.resources()]
    rekey(storage, key_settings, lambda: "another/1")

    assert storage.estate.upsert(resources, scan_id="scan-2").written == 6


def test_a_scan_afterwards_removes_what_it_does_not_see(storage: StorageService, key_settings: Settings) -> None:
    fill(storage)
    resources = [hit.resource for hit in storage.estate.resources()]
    rekey(storage, key_settings, model_id)
    result = CellResult(resources[0].cell, CellState.OK, datetime.now(UTC), 1.0, resources=5)
    storage.estate.apply_full(result, resources[1:], scan_id="scan-2")

    assert storage.estate.count() == 5


def test_what_was_recorded_once_stays_so(storage: StorageService, key_settings: Settings) -> None:
    fill(storage)
    rekey(storage, key_settings, model_id)
    for once in ("plan:p1", "plan:abc"):
        with pytest.raises(AlreadyRecordedError):
            storage.journal.append("plan", "p3", {}, once=once)
    storage.journal.append("plan", "p3", {}, once="plan:new")


def test_what_version_1_recorded_once_stays_so(storage: StorageService, key_settings: Settings) -> None:
    _write_as_version_1(storage.journal)
    fill(storage)
    assert all("once" not in content for _, content in storage.journal.contents())
    rekey(storage, key_settings, model_id)

    for once in ("plan:p1", "plan:abc"):
        with pytest.raises(AlreadyRecordedError):
            storage.journal.append("plan", "p3", {}, once=once)


def test_an_unknown_once_key_stops_it(storage: StorageService, key_settings: Settings) -> None:
    _write_as_version_1(storage.journal)
    storage.journal.append("plan", "p1", {}, once="something unheard of")
    fingerprint = storage.vault.keys.fingerprint

    with pytest.raises(JournalError, match="unique cannot be found"):
        rekey(storage, key_settings, model_id)
    assert storage.vault.keys.fingerprint == fingerprint
    assert storage.journal.verify().count == 1


def _write_as_version_1(journal: Any) -> None:
    insert = journal._insert

    def inserted(connection: Any, head: Any, content: dict[str, Any], plaintext: bytes) -> Any:
        import json

        bare = {name: value for name, value in content.items() if name != "once"}
        return insert(connection, head, content, json.dumps(bare).encode())

    journal._insert = inserted


def test_heads_exported_under_earlier_keys_can_still_be_checked(
    storage: StorageService, key_settings: Settings
) -> None:
    empty = storage.journal.export_head()
    storage.journal.append("plan", "p1", {})
    one = storage.journal.export_head()
    fill(storage)
    four = storage.journal.export_head()
    rekey(storage, key_settings, model_id)
    five = storage.journal.export_head()
    rekey(storage, key_settings, model_id)

    for head in (empty, one, four, five, storage.journal.export_head()):
        storage.journal.verify(against=head)
    count, mac = four.split(":")
    for forged in (f"{count}:{'0' * 64}", f"{int(count) - 1}:{mac}", f"99:{mac}", f"0:{mac}"):
        with pytest.raises(JournalError):
            storage.journal.verify(against=forged)


def test_an_empty_store_gets_a_new_key_too(storage: StorageService, key_settings: Settings) -> None:
    head, fingerprint = storage.journal.export_head(), storage.vault.keys.fingerprint
    report = rekey(storage, key_settings, pytest.fail)

    assert report.fingerprint != fingerprint
    assert storage.journal.verify(against=head).count == 1


def test_stores_that_share_a_key_go_over_one_by_one(
    storage: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    beside = key_settings.model_copy(update={"data_path": tmp_path / "beside"})
    fingerprint = open_vault(beside).keys.fingerprint
    fill(storage)
    report = rekey(storage, key_settings, model_id)

    assert open_vault(beside).keys.fingerprint == fingerprint
    with StorageService(beside, lambda: embedder) as other:
        second = rekey(other, beside, model_id)
    assert sorted(slots(key_settings)) == sorted(f"encryption.key.{one}" for one in (fingerprint, second.fingerprint))
    assert open_vault(key_settings).keys.fingerprint == report.fingerprint
    assert open_vault(beside).keys.fingerprint == second.fingerprint


@pytest.mark.parametrize("through_the_link", [True, False])
def test_a_store_whose_settings_name_the_key_file_by_a_link_opens_afterwards(
    storage: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any, *, through_the_link: bool
) -> None:
    old = storage.vault.keys.fingerprint
    (tmp_path / "link").symlink_to(key_file_of(key_settings))
    linked = key_settings.model_copy(update={"data_path": tmp_path / "beside", "key_file": tmp_path / "link"})
    assert open_vault(linked).keys.fingerprint == old
    changed, kept = (linked, key_settings) if through_the_link else (key_settings, linked)
    storage.close()
    with StorageService(changed, lambda: embedder) as service:
        report = rekey(service, changed, model_id)

    assert open_vault(kept).keys.fingerprint == old
    assert open_vault(changed).keys.fingerprint == report.fingerprint


def test_a_rekeying_that_fails_leaves_nothing_of_itself(
    storage: StorageService, key_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(storage)
    before, fingerprint = kept_in(storage), storage.vault.keys.fingerprint

    def fails(*_: object) -> None:
        raise StorageError("the disk failed")

    monkeypatch.setattr(master_key_change, "_stage_files", fails)
    with pytest.raises(StorageError, match="the disk failed"):
        rekey(storage, key_settings, model_id)
    assert (kept_in(storage), storage.vault.keys.fingerprint) == (before, fingerprint)
    assert slots(key_settings) == []
    left = {path.name for path in key_settings.data_path.iterdir()}
    assert not left & {"rekey.next", "key.succession", "store.json.next", "journal.db.next"}
    assert not list(key_settings.data_path.glob("qdrant/*.staged"))


def test_a_data_path_that_takes_no_file_is_one_line(
    storage: StorageService, key_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = storage.vault.keys.fingerprint

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cloudops_nb.storage.keys.key_succession.replace_private", full)
    with pytest.raises(InitialisationError, match=r"cannot write .*key\.succession: No space left"):
        rekey(storage, key_settings, model_id)
    assert storage.vault.keys.fingerprint == fingerprint


def test_a_key_in_the_environment_cannot_be_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: Any
) -> None:
    monkeypatch.setenv("CLOUDOPS_ENCRYPTION_KEY", MasterKey.generate().hex())
    settings = Settings(data_path=tmp_path / "store", key_source="environment", qdrant_idle_seconds=1)
    with (
        pytest.warns(CloudOpsWarning),
        StorageService(settings, lambda: embedder) as storage,
        pytest.raises(EncryptionError, match=r"cannot hold a second key\. Move the key to a key file"),
    ):
        rekey(storage, settings, model_id)


STEPS = ["new_key_in_slot", "stage_copy", "_rewrite_database", "_stage_files", "hand_over"]


@pytest.mark.parametrize(("step", "moment"), [(STEPS[0], "before"), *((step, "after") for step in STEPS)])
def test_a_rekeying_cut_short_leaves_one_whole_store(
    storage: StorageService, key_settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    fill(storage)
    embedder = storage._embedder
    before, old = kept_in(storage), storage.vault.keys.fingerprint
    carried_out = getattr(master_key_change, step)

    def cut(*arguments: object) -> None:
        if moment == "after":
            carried_out(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(master_key_change, step, cut)
        with pytest.raises(KeyboardInterrupt):
            rekey(storage, key_settings, model_id)
    with StorageService(key_settings, embedder) as other:
        went_over = other.vault.keys.fingerprint != old
        assert went_over == (step == "hand_over" and moment == "after")
        assert kept_in(other) == {**before, "journal": before["journal"] + went_over}
    report = rekey(storage, key_settings, model_id)
    assert kept_in(storage) == {**before, "journal": before["journal"] + 1 + went_over}
    # Nothing of the first attempt is left, in the data path or next to the key.
    assert not (key_settings.data_path / "rekey.next").exists()
    assert not list(key_settings.data_path.glob("*.next"))
    assert set(slots(key_settings)) == {f"encryption.key.{one}" for one in {old, report.old_fingerprint}}
    assert find_master_key(key_settings, report.fingerprint) is not None


KILLED = """
import os, sys
from cloudops_nb.settings import Settings
from cloudops_nb.storage.opening import handover
from cloudops_nb.storage.maintenance import master_key_change
from cloudops_nb.storage.facade import StorageService

settings = Settings(data_path=sys.argv[1], key_file=sys.argv[2])
renames = int(sys.argv[3])
replace = handover._replace_file

def killed(data_path, name):
    global renames
    if renames == 0:
        os.kill(os.getpid(), 9)
    renames -= 1
    replace(data_path, name)

handover._replace_file = killed
master_key_change.rekey(StorageService(settings, None), settings, lambda: "words/1")
"""


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_process_killed_in_the_handover_leaves_the_new_store(
    storage: StorageService,
    key_settings: Settings,
    start_python: Callable[..., subprocess.Popen[str]],
    renames: int,
) -> None:
    fill(storage)
    before, old = kept_in(storage), storage.vault.keys.fingerprint
    storage.close()
    killed = start_python(KILLED, key_settings.data_path, key_settings.key_file, renames)
    killed.communicate(timeout=120)

    assert killed.returncode == -9
    assert storage.vault.keys.fingerprint != old
    assert kept_in(storage) == {**before, "journal": before["journal"] + 1}


def test_the_handover_is_the_one_that_the_storage_service_finishes() -> None:
    assert vars(master_key_change)["hand_over"] is hand_over
