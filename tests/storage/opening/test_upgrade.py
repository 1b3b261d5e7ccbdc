"""A store that version 1 wrote, and what opening it makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import StorageError
from cloudops_nb.model import ResourceFilter
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.files.store_file import FORMAT, StoreFile
from cloudops_nb.storage.opening import upgrade as upgrading
from cloudops_nb.storage.opening.upgrade import STEPS, upgrade
from tests.storage.conftest import header_of
from tests.storage.filled_store import fill, kept_in
from tests.storage.format_2_points import write_as_format_2

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.facade import StorageService
    from cloudops_nb.storage.files.store_file import StoreHeader


@pytest.fixture
def version_1(storage: StorageService, key_settings: Settings) -> dict[str, Any]:
    """A full store with the store.json and the journal's contents of version 1; returns what it holds."""
    journal: Any = storage.journal
    insert = journal._insert

    def insert_as_version_1(connection: Any, head: Any, content: dict[str, Any], _plaintext: bytes) -> Any:
        written = {name: content[name] for name in ("at", "kind", "subject", "body")}
        return insert(connection, head, content, json.dumps(written, separators=(",", ":")).encode())

    journal._insert = insert_as_version_1
    fill(storage)
    kept = kept_in(storage)
    write_as_format_2(storage, "scan-1")
    storage.close()
    header = header_of(StoreFile(key_settings.data_path))
    written = {
        "format": 1,
        "created": header.created.isoformat().replace("+00:00", "Z"),
        "key_fingerprint": header.key_fingerprint,
        "data_key_generation": 1,
    }
    (key_settings.data_path / "store.json").write_text(json.dumps(written, indent=2) + "\n")
    return kept


def fields(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / "store.json").read_text())
    return found


def test_it_is_upgraded_at_opening_and_holds_what_it_held(
    version_1: dict[str, Any], key_settings: Settings, storage: StorageService
) -> None:
    assert StoreFile(key_settings.data_path).outdated()
    assert kept_in(storage) == version_1

    written = fields(key_settings.data_path)
    assert written["format"] == FORMAT
    assert (written["engine"], written["oldest_data_key_generation"]) == ("embedded", 1)
    assert not StoreFile(key_settings.data_path).outdated()


def test_what_a_scan_saw_before_the_upgrade_is_known_after_it(
    version_1: dict[str, Any], key_settings: Settings, storage: StorageService
) -> None:
    (first, *_) = [hit.resource for hit in storage.estate.resources(ResourceFilter(account="prod", tags={"team": "*"}))]
    assert storage.estate.lookup(first.arn) == storage.estate.lookup(first.name) == [first]
    assert storage.estate.upsert(version_1["resources"], scan_id="scan-2").unchanged == len(version_1["resources"])

    others = storage.estate._points.not_written([first.cell], "scan-1")
    assert storage.vector_store.count(AWS_ESTATE.name, others) == len(version_1["resources"])
    storage.estate.upsert([first], scan_id="scan-1")
    assert storage.vector_store.count(AWS_ESTATE.name, others) == len(version_1["resources"]) - 1


def test_a_scan_state_without_a_seal_is_not_altered(version_1: dict[str, Any], storage: StorageService) -> None:
    with storage.journal.database.writing() as connection:
        connection.execute("DELETE FROM cells WHERE cell = ?", (storage.scan_state._seal.name,))
    for result in (None, version_1["cells"][0]):
        if result:
            storage.scan_state.put(result)
        report = storage.estate.integrity.check()
        assert (report.altered, report.scan_state) == ([], "")


def test_a_new_store_needs_no_upgrade(storage: StorageService, key_settings: Settings) -> None:
    assert fields(storage.vault.data_path)["format"] == FORMAT
    assert not StoreFile(key_settings.data_path).outdated()


def test_every_older_format_has_its_step() -> None:
    assert sorted(STEPS) == list(range(1, FORMAT))


def _staging(settings: Settings, store: VectorStore, header: StoreHeader) -> StoreHeader:
    """A step that replaces the estate by an empty one."""
    store.stage(AWS_ESTATE.name)
    return header


def test_a_step_that_fails_leaves_the_old_version_whole(
    version_1: dict[str, Any], key_settings: Settings, storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(settings: Settings, store: VectorStore, header: StoreHeader) -> StoreHeader:
        _staging(settings, store, header)
        raise StorageError("the step failed")

    with monkeypatch.context() as patch:
        patch.setattr(upgrading.upgrade, "__defaults__", ({**STEPS, 1: failing},))
        with pytest.raises(StorageError, match="the step failed"):
            assert storage.vault
    assert fields(key_settings.data_path)["format"] == 1
    assert kept_in(storage) == version_1


@pytest.mark.parametrize("cut", ["replace_private", "hand_over"])
def test_an_upgrade_cut_short_before_its_handover_begins_again(
    version_1: dict[str, Any],
    key_settings: Settings,
    storage: StorageService,
    monkeypatch: pytest.MonkeyPatch,
    cut: str,
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upgrading, cut, killed)
        patch.setattr(upgrading.upgrade, "__defaults__", ({**STEPS, 1: _staging},))
        with pytest.raises(KeyboardInterrupt):
            assert storage.vault
    assert fields(key_settings.data_path)["format"] == 1
    assert kept_in(storage) == version_1
    assert not list(key_settings.data_path.glob("*.next"))


def test_an_upgrade_cut_short_in_its_handover_is_finished(
    version_1: dict[str, Any], key_settings: Settings, storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cloudops_nb.storage.opening.handover._replace_file", killed)
        with pytest.raises(KeyboardInterrupt):
            assert storage.vault
    assert (key_settings.data_path / "handover.json").exists()
    assert kept_in(storage) == version_1
    assert fields(key_settings.data_path)["format"] == FORMAT


def test_what_a_step_stages_takes_its_place_with_the_new_version(
    version_1: dict[str, Any], key_settings: Settings, storage: StorageService
) -> None:
    engine = storage._open_engine(key_settings.data_path)
    with storage._usage_lock.exclusive():
        upgrade(key_settings, engine, {**STEPS, 1: _staging})
    engine.close()

    assert storage.estate.count() == 0
    assert storage.chat.history("first") == version_1["chat"]


def test_kernels_that_open_it_at_once_upgrade_it_once(
    version_1: dict[str, Any], key_settings: Settings, start_python: Callable[..., Any]
) -> None:
    program = """
import sys
from cloudops_nb.settings import Settings
from cloudops_nb.storage.facade import StorageService
sys.stdin.readline()
with StorageService(Settings(data_path=sys.argv[1], key_file=sys.argv[2]), None) as storage:
    print(storage.estate.count(), flush=True)
    sys.stdin.readline()
"""
    kernels = [start_python(program, key_settings.data_path, key_settings.key_file) for _ in range(3)]
    for kernel in kernels:
        kernel.stdin.write("\n")
        kernel.stdin.flush()
    # All of them have it open before the first one closes it.
    answers = [kernel.stdout.readline().strip() for kernel in kernels]

    assert answers == ["6"] * 3
