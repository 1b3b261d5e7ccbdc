"""The storage service as a whole: lazy, shared, healthy or honest."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from cloudops_nb.model import Resource
from cloudops_nb.settings import Settings
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.facade import StorageService
from tests.embedders import no_embedder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.storage.conftest import WordEmbedder

HOST = Resource("ec2_instance", "i-1", "123456789012", "eu-west-1", "ec2", name="jenkins")


def kill_owner(paths: OwnerPaths) -> None:
    endpoint = Endpoint.read(paths.endpoint)
    assert endpoint
    os.kill(endpoint.pid, signal.SIGKILL)


def test_making_a_service_touches_nothing(tmp_path: Path) -> None:
    StorageService(Settings(data_path=tmp_path / "store"), no_embedder).close()
    assert not (tmp_path / "store").exists()


def test_what_was_written_is_there_after_closing_and_opening(storage: StorageService) -> None:
    storage.estate.upsert([HOST], scan_id="one")
    storage.journal.append("scan", "one", {"cells": 1})
    storage.close()

    assert storage.estate.count() == 1
    assert [record.subject for record in storage.journal.records()] == ["one"]


def test_a_closed_store_leaves_its_keys_and_journal_usable_by_another(
    storage: StorageService, key_settings: Settings, embedder: WordEmbedder
) -> None:
    storage.estate.upsert([HOST], scan_id="one")
    with StorageService(key_settings, lambda: embedder) as other:
        storage.close()
        stored = other.estate.get(HOST.canonical_key)
        assert stored
        assert stored.name == "jenkins"


def test_flushed_writes_survive_the_death_of_the_owner(storage: StorageService, key_settings: Settings) -> None:
    storage.estate.upsert([HOST], scan_id="one")
    storage.flush()
    kill_owner(OwnerPaths(key_settings.data_path))

    assert storage.estate.count() == 1


def test_health_counts_points_and_free_bytes(storage: StorageService) -> None:
    storage.estate.upsert([HOST], scan_id="one")
    health = storage.health()

    assert health["reachable"]
    assert health["collections"] == {
        "chat_history": {"status": "ok", "points": 0},
        "aws_estate": {"status": "ok", "points": 1},
    }
    assert health["free_bytes"] > 0
    assert "there is no backup" in health["warnings"]


def test_health_reports_a_damaged_collection_instead_of_failing(
    storage: StorageService, key_settings: Settings
) -> None:
    storage.estate.upsert([HOST], scan_id="one")
    storage.chat.append("one", "user", "hello")
    paths = OwnerPaths(key_settings.data_path)
    kill_owner(paths)
    (paths.folder / "aws_estate" / "edge_config.json").write_text("{")
    health = storage.health()

    assert health["reachable"]
    assert health["collections"]["aws_estate"]["points"] is None
    assert health["collections"]["chat_history"]["status"] == "ok"
    assert any(warning.startswith("aws_estate: ") for warning in health["warnings"])
