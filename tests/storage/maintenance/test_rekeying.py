"""A new master key for a store with everything in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import AlreadyRecordedError, CloudOpsWarning, EncryptionError, JournalError
from cloudops_nb.model import CellResult, CellState
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.keys.loading import find_master_key
from cloudops_nb.storage.keys.master_key import MasterKey
from cloudops_nb.storage.maintenance import rekeying
from cloudops_nb.storage.maintenance.handover import hand_over
from cloudops_nb.storage.maintenance.rekeying import rekey
from cloudops_nb.storage.service import StorageService
from cloudops_nb.storage.vault import open_vault
from tests.storage.furnished import fill, kept_in

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


def model_id() -> str:
    return "words/1"


def slots(settings: Settings) -> list[str]:
    """The files of further keys, which have a fingerprint behind their names."""
    return [path.name for path in settings.key_file.parent.iterdir() if len(path.suffix) == 33]


def test_everything_is_as_it_was_under_another_key(
    storage: StorageService, key_settings: Settings, embedder: Any
) -> None:
    fill(storage)
    before, old_key = kept_in(storage), key_settings.key_file.read_text()
    old = storage.vault.keys.fingerprint
    report = rekey(storage, key_settings, model_id)

    assert report.fingerprint != old
    assert report.rebuilt == {"aws_estate": 6, "chat_history": 5, "journal": 3, "scan_state": 2}
    assert report.old_key_kept_because == ""
    assert kept_in(storage) == {**before, "journal": before["journal"] + 1}
    assert storage.vault.keys.fingerprint == report.fingerprint
    assert key_settings.key_file.read_text() != old_key
    assert slots(key_settings) == []
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


def test_points_of_another_model_are_made_anew_at_the_next_scan(
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
    storage.journal._insert = _as_version_1(storage.journal._insert)
    fill(storage)
    assert all("once" not in content for _, content in storage.journal.contents())
    rekey(storage, key_settings, model_id)

    for once in ("plan:p1", "plan:abc"):
        with pytest.raises(AlreadyRecordedError):
            storage.journal.append("plan", "p3", {}, once=once)


def test_a_key_for_once_that_nobody_knows_stops_it(storage: StorageService, key_settings: Settings) -> None:
    storage.journal._insert = _as_version_1(storage.journal._insert)
    storage.journal.append("plan", "p1", {}, once="something unheard of")
    fingerprint = storage.vault.keys.fingerprint

    with pytest.raises(JournalError, match="under which key is not known"):
        rekey(storage, key_settings, model_id)
    assert storage.vault.keys.fingerprint == fingerprint
    assert storage.journal.verify().count == 1


def _as_version_1(insert: Any) -> Any:
    def inserted(connection: Any, head: Any, content: dict[str, Any], plaintext: bytes) -> Any:
        import json

        bare = {name: value for name, value in content.items() if name != "once"}
        return insert(connection, head, content, json.dumps(bare).encode())

    return inserted


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


def test_a_key_that_another_store_needs_is_kept(
    storage: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    beside = key_settings.model_copy(update={"data_path": tmp_path / "beside"})
    fingerprint = open_vault(beside).keys.fingerprint
    fill(storage)
    report = rekey(storage, key_settings, model_id)

    assert report.old_key_kept_because == f"the store in {beside.data_path} needs it"
    assert open_vault(beside).keys.fingerprint == fingerprint
    assert open_vault(key_settings).keys.fingerprint == report.fingerprint
    with StorageService(beside, lambda: embedder) as other:
        second = rekey(other, beside, model_id)
    assert second.old_key_kept_because == ""
    assert slots(key_settings) == [f"encryption.key.{second.fingerprint}"]
    assert fingerprint not in {report.fingerprint, second.fingerprint}
    assert open_vault(key_settings).keys.fingerprint == report.fingerprint
    assert open_vault(beside).keys.fingerprint == second.fingerprint


def test_a_key_that_nobody_followed_from_its_making_is_kept(storage: StorageService, key_settings: Settings) -> None:
    fingerprint, kept = storage.vault.keys.fingerprint, key_settings.key_file.read_text()
    key_settings.key_file.with_name("encryption.key.stores").unlink()
    report = rekey(storage, key_settings, model_id)

    assert "a store that was not opened for long may need it" in report.old_key_kept_because
    assert slots(key_settings) == [f"encryption.key.{fingerprint}"]
    assert key_settings.key_file.with_name(f"encryption.key.{fingerprint}").read_text() == kept
    assert open_vault(key_settings).keys.fingerprint == report.fingerprint


def test_a_key_in_the_environment_cannot_be_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: Any
) -> None:
    monkeypatch.setenv("CLOUDOPS_ENCRYPTION_KEY", MasterKey.generate().hex())
    settings = Settings(data_path=tmp_path / "store", key_source="environment", qdrant_idle_seconds=1)
    with (
        pytest.warns(CloudOpsWarning),
        StorageService(settings, lambda: embedder) as storage,
        pytest.raises(EncryptionError, match=r"cannot hold a second one\. Take the key to a key file"),
    ):
        rekey(storage, settings, model_id)


STEPS = ["new_key_beside", "rebuild", "_rewrite", "_stage_files", "hand_over"]


@pytest.mark.parametrize(("step", "moment"), [(STEPS[0], "before"), *((step, "after") for step in STEPS)])
def test_a_rekeying_cut_short_leaves_one_whole_store(
    storage: StorageService, key_settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    fill(storage)
    embedder = storage._embedder
    before, old = kept_in(storage), storage.vault.keys.fingerprint
    carried_out = getattr(rekeying, step)

    def cut(*arguments: object) -> None:
        if moment == "after":
            carried_out(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rekeying, step, cut)
        with pytest.raises(KeyboardInterrupt):
            rekey(storage, key_settings, model_id)
    with StorageService(key_settings, embedder) as other:
        went_over = other.vault.keys.fingerprint != old
        assert went_over == (step == "hand_over" and moment == "after")
        assert kept_in(other) == {**before, "journal": before["journal"] + went_over}
    report = rekey(storage, key_settings, model_id)
    assert kept_in(storage) == {**before, "journal": before["journal"] + 1 + went_over}
    # Nothing of the first attempt is left, in the data path or beside the key.
    assert not (key_settings.data_path / "rekey.next").exists()
    assert not list(key_settings.data_path.glob("*.next"))
    assert slots(key_settings) == []
    assert find_master_key(key_settings, report.fingerprint) is not None


KILLED = """
import os, sys
from cloudops_nb.settings import Settings
from cloudops_nb.storage.maintenance import handover
from cloudops_nb.storage.maintenance import rekeying
from cloudops_nb.storage.service import StorageService

settings = Settings(data_path=sys.argv[1], key_file=sys.argv[2])
renames = int(sys.argv[3])
replace = handover._replace

def killed(data_path, name):
    global renames
    if renames == 0:
        os.kill(os.getpid(), 9)
    renames -= 1
    replace(data_path, name)

handover._replace = killed
rekeying.rekey(StorageService(settings, None), settings, lambda: "words/1")
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
    assert rekeying.hand_over is hand_over
