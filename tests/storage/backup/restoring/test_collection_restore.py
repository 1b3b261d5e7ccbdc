"""Restoring: what was there comes back whole, and until it has been verified nothing is replaced."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.archive import Header
from cloudops_nb.storage.backup.saving import snapshot_writer as taking
from cloudops_nb.storage.encryption.envelope import Envelope
from cloudops_nb.storage.encryption.sealed_data import seal
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys
from cloudops_nb.storage.opening.journal_tables import stored_cells
from tests.embedders import no_embedder
from tests.storage.backup.store_contents import change, contents, fill, forge, outcomes, paths, restored
from tests.storage.conftest import header_of
from tests.storage.format_2_points import write_as_format_2

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.settings import Settings

DAMAGES = {
    "cut to nothing": lambda content: b"",
    "cut in the header": lambda content: content[:40],
    "cut in the content": lambda content: content[: len(content) // 2],
    "cut by one byte": lambda content: content[:-1],
    "magic": lambda content: flipped(content, 0),
    "header": lambda content: flipped(content, 60),
    "content": lambda content: flipped(content, len(content) // 2),
    "tag": lambda content: flipped(content, len(content) - 56),
    "rows": lambda content: flipped(content, len(content) - 33),
    "checksum": lambda content: flipped(content, len(content) - 1),
}


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_everything_is_as_it_was(filled: StorageService) -> None:
    before = contents(filled)
    change(filled)
    assert contents(filled) != before
    report = filled.backup.restore()

    assert report.ok
    assert {row.kind: (row.outcome, row.place) for row in restored(report)} == {
        "journal": ("kept", "this disk"),
        "aws_estate": ("replaced", "this disk"),
        "chat_history": ("replaced", "this disk"),
    }
    after = contents(filled)
    assert {**after, "records": [], "journal": None} == {**before, "records": [], "journal": None}
    assert after["journal"].count == 4
    assert filled.chat.append("incident", "user", "goes on").index == 4


def test_a_snapshot_of_an_older_format_comes_back_in_the_present_one(
    filled: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(filled)
    write_as_format_2(filled, "scan-1")
    with monkeypatch.context() as patch:
        patch.setattr(taking, "Header", partial(Header, store_format=2))
        assert filled.backup.snapshot("aws_estate").ok
    change(filled)
    assert filled.backup.restore("latest", "aws_estate").ok

    after = contents(filled)
    assert {name: after[name] for name in ("resources", "found", "stamps")} == {
        name: before[name] for name in ("resources", "found", "stamps")
    }
    assert filled.estate.facets("tags") == {"team=payments": 5, **{f"number={number}": 1 for number in range(5)}}


def test_a_new_machine_with_the_key_gets_everything_back(
    filled: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    before = contents(filled)
    moved = key_settings.model_copy(update={"data_path": tmp_path / "new"})
    with StorageService(moved, lambda: embedder) as other:
        for path in paths(filled):
            assert other.backup.restore(path).ok
        assert contents(other) == before
        other.journal.append("scan", "goes on", {})
        assert other.journal.verify().count == 4


def test_a_damaged_snapshot_is_refused_and_nothing_is_replaced(filled: StorageService) -> None:
    change(filled)
    before = contents(filled)
    whole = {path: path.read_bytes() for path in paths(filled)}
    for name, damage in DAMAGES.items():
        for path, content in whole.items():
            path.write_bytes(damage(content))
        report = filled.backup.restore()

        assert [row.outcome for row in restored(report)] == ["failed"] * 3, name
        # Damage to the store's id makes it look as if it were another's.
        assert all("restored" in problem and "\n" not in problem for problem in report.problems)
    assert contents(filled) == before


def test_a_snapshot_of_another_key_is_refused_and_nothing_is_replaced(
    filled: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    stranger = key_settings.model_copy(update={"data_path": tmp_path / "other", "key_file": tmp_path / "other.key"})
    with StorageService(stranger, lambda: embedder) as other:
        fill(other)
        before = contents(other)
        for path in paths(filled):
            (row,) = restored(other.backup.restore(path))
            assert row.outcome == "failed"
            assert "made with another encryption key" in row.note
        assert contents(other) == before


def test_a_new_machine_without_the_key_gets_one_line_and_no_store(
    filled: StorageService, key_settings: Settings, tmp_path: Path
) -> None:
    keyless = key_settings.model_copy(update={"data_path": tmp_path / "other", "key_file": tmp_path / "other.key"})
    (row,) = restored(StorageService(keyless, no_embedder).backup.restore(paths(filled)[0]))

    assert row.outcome == "failed"
    assert "Import the key first" in row.note
    assert not list(tmp_path.glob("other*"))


def test_one_damaged_snapshot_stops_the_whole_restore_and_each_other_can_be_restored_alone(
    filled: StorageService,
) -> None:
    saved = contents(filled)["chat"]
    change(filled)
    changed = contents(filled)
    (path,) = [path for path in paths(filled) if path.name.startswith("aws_estate")]
    path.write_bytes(b"damaged")

    report = filled.backup.restore()
    rows = {row.kind: row for row in restored(report)}
    assert {kind: row.outcome for kind, row in rows.items()} == {
        "aws_estate": "failed", "journal": "kept", "chat_history": "kept",
    }  # fmt: skip
    assert "to restore it alone, name the kind chat_history" in rows["chat_history"].note
    assert contents(filled) == changed
    assert not report.ok

    (row,) = restored(filled.backup.restore("latest", "chat_history"))
    assert row.outcome == "replaced"
    assert filled.chat.history("incident") == saved
    assert filled.estate.count() == 6


def test_a_kind_that_was_never_saved_does_not_stop_the_others(filled: StorageService) -> None:
    change(filled)
    for path in paths(filled):
        if path.name.startswith("aws_estate"):
            path.unlink()
    assert outcomes(filled) == {"aws_estate": "failed", "journal": "kept", "chat_history": "replaced"}


def test_a_snapshot_under_the_name_of_another_kind_is_refused(filled: StorageService) -> None:
    journal, estate = (next(path for path in paths(filled) if path.name.startswith(kind)) for kind in ("j", "a"))
    before = contents(filled)
    journal.write_bytes(estate.read_bytes())

    (row,) = restored(filled.backup.restore("latest", "journal"))
    assert row.outcome == "failed"
    assert f"it is {estate.name} under another name" in row.note
    assert contents(filled) == before


def test_rows_that_the_key_does_not_open_are_refused_and_single_ones_are_said(filled: StorageService) -> None:
    before = contents(filled)
    envelope = Envelope(StoreKeys(MasterKey.generate()))
    point = next(iter(filled.vector_store.points(AWS_ESTATE.name)))
    foreign = [
        point.id,
        {**point.payload, "data": seal(envelope, {}, AWS_ESTATE, point.id, point.payload)},
        point.dense,
        None,
    ]
    name = forge(filled, [foreign, [str(point.id).replace("8", "9"), {"data": "?"}, point.dense, None]])

    (row,) = restored(filled.backup.restore(name))
    assert row.outcome == "failed"
    assert "its key decrypts no row of it" in row.note
    assert contents(filled) == before

    good = [point.id, dict(point.payload), point.dense, None]
    name = forge(filled, [good, [point.id.replace("8", "9"), {"data": "?"}, point.dense, None]])
    (row,) = restored(filled.backup.restore(name))
    assert (row.outcome, row.points) == ("replaced", 2)
    assert row.note.startswith("1 rows are unreadable")


def test_a_snapshot_with_a_newer_data_key_lets_the_store_seal_under_it(
    filled: StorageService, key_settings: Settings, tmp_path: Path, embedder: Any
) -> None:
    header = header_of(filled.vault.store_file)
    filled.vault.store_file.write(header.model_copy(update={"data_key_generation": 3}))
    filled.close()
    filled.chat.append("incident", "user", "under the third key")
    before = contents(filled)
    assert filled.backup.snapshot().ok

    moved = key_settings.model_copy(update={"data_path": tmp_path / "new"})
    newest = paths(filled)[1::2]
    with StorageService(moved, lambda: embedder) as other:
        for path in newest:
            assert other.backup.restore(path).ok
        assert other.vault.keys.generation == 3
        assert header_of(other.vault.store_file).data_key_generation == 3
        assert contents(other) == before


def test_rows_under_a_retired_data_key_are_resealed(filled: StorageService) -> None:
    before = contents(filled)
    header = header_of(filled.vault.store_file)
    retired = {"data_key_generation": 2, "oldest_data_key_generation": 2}
    filled.vault.store_file.write(header.model_copy(update=retired))
    filled.close()
    for kind in ("aws_estate", "chat_history"):
        assert filled.backup.restore("latest", kind).ok

    assert [hit.resource for hit in filled.estate.resources()] == before["resources"]
    assert filled.chat.history("incident") == before["chat"]
    assert filled.scan_state.cells() == before["cells"]


def test_a_cell_that_does_not_open_counts_as_never_scanned(filled: StorageService) -> None:
    point = next(iter(filled.vector_store.points(AWS_ESTATE.name)))
    row = [point.id, dict(point.payload), point.dense, None]
    cells = [list(cell) for cell in stored_cells(filled.journal.database)]
    kept = filled.scan_state.cells()
    name = forge(filled, [row], front=[*cells, ["another cell", cells[0][1]]])

    assert filled.backup.restore(name).ok
    assert filled.scan_state.cells() == kept


def test_a_name_or_a_kind_that_does_not_exist_is_one_line(filled: StorageService) -> None:
    for source in ("journal_2020-01-01T00-00-00.snapshot", "../nowhere", "nothing"):
        with pytest.raises(BackupError, match="there is no snapshot"):
            filled.backup.restore(source)
    with pytest.raises(BackupError, match="everything is not a kind"):
        filled.backup.restore("latest", "everything")
    with pytest.raises(BackupError, match="there is no snapshot"):
        filled.backup.restore(paths(filled)[0].name, "journal")
    with pytest.raises(BackupError, match="it is a snapshot of aws_estate"):
        filled.backup.restore(paths(filled)[0], "journal")


def test_a_kind_without_a_snapshot_is_a_line_of_the_report(storage: StorageService) -> None:
    fill(storage)
    report = storage.backup.restore("latest", "journal")

    assert report.problems == ("journal: journal was not restored: there is no snapshot of it. Back up first.",)
