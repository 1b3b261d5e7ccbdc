"""A store that could not be opened is free at once for the command that mends it, whatever still holds the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb import CloudOps
from cloudops_nb.errors import CloudOpsError, JournalError, StorageError
from cloudops_nb.notebook.session import Session
from cloudops_nb.settings import load_settings
from cloudops_nb.storage.opening.open_store import OpenStore
from cloudops_nb.storage.opening.usage_lock import UsageLock
from tests.embedders import no_embedder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    given = {"key_file": str(tmp_path / "key"), "qdrant_idle_seconds": 1.0}
    CloudOps(tmp_path / "store", **given).close()
    return given


def require_free(data_path: Path) -> None:
    with UsageLock(data_path).exclusive():
        pass


def test_a_wrong_key_leaves_no_lock(tmp_path: Path, settings: dict[str, Any]) -> None:
    (tmp_path / "other").write_text("ab" * 32)
    (tmp_path / "other").chmod(0o600)
    with pytest.raises(StorageError) as kept:
        CloudOps(tmp_path / "store", **{**settings, "key_file": str(tmp_path / "other")})
    require_free(tmp_path / "store")
    assert kept.value


def test_a_damaged_record_lets_one_open_search_and_journal_and_approves_nothing(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with CloudOps(tmp_path / "store", **settings) as ops:
        for number in range(3):
            ops.storage.journal.append("scan_started", f"s{number}", {})
        with ops.storage.journal.database.writing() as connection:
            connection.execute("UPDATE records SET envelope = CAST(substr(envelope, 1, 40) || X'00' AS BLOB)")
    with CloudOps(tmp_path / "store", **settings) as ops:
        assert ops.resources().empty
        assert ops.storage.journal.latest_time() is None
        ops.storage.journal.append("scan_started", "new", {})
        with pytest.raises(JournalError):
            ops.storage.journal.verify()
        with pytest.raises(JournalError):
            ops.engine.rollback("execution")


def test_a_failed_recovery_leaves_no_lock(
    tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store" / "journal.db").write_bytes(b"not a database" * 500)
    with pytest.raises(CloudOpsError) as kept:
        CloudOps(tmp_path / "store", **settings)
    require_free(tmp_path / "store")
    assert kept.value


def test_a_part_that_fails_leaves_an_opened_store_usable(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Only a store without any open part gives its lock back: the others still rest on it."""
    store = OpenStore(load_settings(tmp_path / "store", environment={}, **settings), embedder=no_embedder)
    assert store.journal.verify().count >= 0
    with pytest.raises(StorageError, match="in use"):
        require_free(tmp_path / "store")
    store.close()
    require_free(tmp_path / "store")


def test_a_notebook_whose_backups_do_not_start_closes_the_store() -> None:
    closed: list[bool] = []

    class Failing:
        backups = property(lambda self: (_ for _ in ()).throw(CloudOpsError("no backups")))

        def close(self) -> None:
            closed.append(True)

    session = Session(None, None, lambda **_: Failing())  # type: ignore[arg-type]  # no other part is used
    for _ in range(2):
        with pytest.raises(CloudOpsError, match="no backups"):
            _ = session.cloudops
    assert closed == [True, True]
    assert not session.opened
