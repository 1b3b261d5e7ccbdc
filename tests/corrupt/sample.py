"""The store whose copies are damaged: its content, and the functions that write and scan it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from cloudops_nb.client.cloudops import CloudOps
from cloudops_nb.model import CellKey, CellResult, CellState, LearnedRate, Resource
from cloudops_nb.settings import load_settings
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.facade import StorageService
from tests.embedders import EvenEmbedder
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
_ACCOUNT, _REGION = "123456789012", "eu-west-1"
_STARTED = datetime(2025, 1, 1, tzinfo=UTC)
#: One letter per resource of a cell.
_LETTERS = "abcdefgh"
_TYPES = {"ec2_instance": "ec2", "s3_bucket": "s3", "sqs_queue": "sqs", "rds_instance": "rds"}
CELLS = {CellKey(_ACCOUNT, _REGION, name): service for name, service in _TYPES.items()}
#: Texts by conversation.
CHAT = {name: [f"{name} message {number}" for number in range(8)] for name in ("first", "second")}
#: Texts of the journal's records of the kind ``note``.
NOTES = [f"note {number}" for number in range(12)]
_RATE = LearnedRate(_ACCOUNT, _REGION, "ec2", "describe", 5.0, _STARTED)


def resources(cell: CellKey) -> list[Resource]:
    """Return the resources that a scan of a cell finds."""
    kind = cell.resource_type.replace("_", "-")
    names = [f"{kind}-{number}-{letter * 6}" for number, letter in enumerate(_LETTERS)]
    return [
        Resource(
            cell.resource_type, f"id-{name}", _ACCOUNT, _REGION, CELLS[cell], arn=f"arn:aws:{CELLS[cell]}:::{name}",
            name=name, account_name="prod", tags={"team": name[:3]}, last_synced=_STARTED,
        )
        for name in names
    ]  # fmt: skip


def every_resource() -> dict[str, Resource]:
    """Return all resources of the simulated account by ARN."""
    return {resource.arn: resource for cell in CELLS for resource in resources(cell)}


def options(folder: Path) -> Mapping[str, Any]:
    """Return the settings of the store in ``folder/store``, as ``CloudOps`` accepts them."""
    return {
        "data_path": folder / "store",
        "key_file": str(folder / "key" / "encryption.key"),
        "qdrant_idle_seconds": 0.1,
    }


def opened(folder: Path) -> CloudOps:
    """Open the store in a folder, with an embedder that takes no time."""
    ops = CloudOps(**options(folder))
    ops.parts._embedder = EvenEmbedder()
    return ops


def opened_storage(folder: Path) -> StorageService:
    """Return the storage of the store in a folder, as the command that restores a backup opens it."""
    return StorageService(load_settings(**options(folder)), EvenEmbedder)


def fill(storage: StorageService) -> None:
    """Put records of every kind into a new store."""
    scan(storage, "scan-1")
    storage.scan_state.put_rates([_RATE])
    for name, texts in CHAT.items():
        for text in texts:
            storage.chat.append(name, "user", text)
    for text in NOTES:
        storage.journal.append("note", "corrupt", {"text": text}, once=text)
    storage.flush()


def scan(storage: StorageService, scan_id: str) -> None:
    """Store what a complete scan of every cell finds."""
    for cell in CELLS:
        found = resources(cell)
        result = CellResult(cell, CellState.OK, datetime.now(UTC), 1.0, resources=len(found))
        storage.estate.apply_full(result, found, scan_id=scan_id)


def make_closed(folder: Path) -> None:
    """Make a store that was closed in order, with a backup of each kind and settings of its own."""
    with opened(folder) as ops:
        fill(ops.storage)
        assert ops.storage.backup.snapshot().ok
    end_owner(folder)
    # SQLite removes it when the last connection is closed, perhaps that of a thread that ends after the store.
    until(lambda: not (folder / "store" / "journal.db-wal").exists(), "the end of the last connection")
    (folder / "store" / "config.toml").write_text("scan_threads = 8\n")


def make_killed(folder: Path) -> None:
    """Make a store whose programs were all killed right after their last write."""
    program = "import sys; from pathlib import Path; from tests.corrupt.sample import killed; killed(Path(sys.argv[1]))"
    finished = subprocess.run([sys.executable, "-c", program, folder], cwd=ROOT, check=False)
    assert finished.returncode == -signal.SIGKILL


def killed(folder: Path) -> None:
    """Fill a store, back it up, and kill its owner process and this process."""
    ops = opened(folder)
    fill(ops.storage)
    assert ops.storage.backup.snapshot().ok
    kill_owner(folder)
    os.kill(os.getpid(), signal.SIGKILL)


def copy_store(source: Path, target: Path) -> None:
    """Copy a store and its key; the preallocated parts of files stay sparse.

    If SQLite removes a file meanwhile, with the last connection of a thread that ends late, the copy begins again.
    """

    def copied() -> bool:
        shutil.rmtree(target, ignore_errors=True)
        return subprocess.run(["cp", "-a", "--sparse=always", source, target], check=False).returncode == 0

    until(copied, "the copy of a store")


def kill_owner(folder: Path) -> None:
    """Kill the owner process of a store, if it runs."""
    endpoint = Endpoint.read(OwnerPaths(folder / "store").endpoint)
    if endpoint is not None:
        with suppress(ProcessLookupError):
            os.kill(endpoint.pid, signal.SIGKILL)
    end_owner(folder)


def end_owner(folder: Path) -> None:
    """Wait until the owner process of a closed store has ended, its optimisation too."""
    paths = OwnerPaths(folder / "store")
    if paths.folder.exists():
        for lock in (paths.lock, paths.optimisation_lock):
            FileLock(lock, timeout=60, mode=0o600).acquire().lock.release()
