"""The owner in trouble: a full disk, a moved folder, other users, many kernels at once."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import uuid
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import StorageError, StoreUnavailableError
from cloudops_nb.storage.engines.owner import owner_client as client_module
from cloudops_nb.storage.engines.owner import shards as shards_module
from cloudops_nb.storage.engines.owner.endpoint import OwnerPaths, remove_socket_folder, socket_address
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.engines.owner.owner_connection import ConnectionLostError
from cloudops_nb.storage.engines.owner.shards import Shards
from cloudops_nb.storage.engines.vector_store import Patch, Point, PointFilter
from tests.storage.conftest import pipes_of
from tests.storage.engines.owner.owner_process import ended, owner_of
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERYTHING = PointFilter()
ONE = array("f", [1.0]).tobytes()
NOBODY = 65534
RUSHING = 20
#: Waits for a line, uses the store, says who owned it, and waits again.
KERNEL = """
import sys
from pathlib import Path
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.engines.vector_store import PointFilter

folder = Path(sys.argv[1])
sys.stdin.readline()
client = OwnerClient(folder, idle_seconds=30)
client.count("chat_history", PointFilter())
print(Endpoint.read(OwnerPaths(folder).endpoint).pid, flush=True)
sys.stdin.readline()
"""
#: Becomes another user and says which of its attempts succeeded.
INTRUDER = """
import os, socket, sys
from pathlib import Path

user, address, *files = sys.argv[1:]
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))

def succeeds(attempt):
    try:
        attempt()
    except OSError:
        return False
    return True

for file in files:
    if succeeds(lambda: Path(file).read_bytes()):
        print("read", file)
if succeeds(lambda: socket.socket(socket.AF_UNIX).connect(address)):
    print("connected")
"""


@pytest.fixture
def shards(tmp_path: Path) -> Iterator[Shards]:
    shards = Shards(tmp_path)
    yield shards
    shards.close()


def message(text: str = "c") -> Point:
    return Point(str(uuid.uuid4()), {"kind": "message", "context": text}, ONE)


def test_twenty_processes_that_start_at_once_share_one_owner(
    folder: Path, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    kernels = [pipes_of(start_python(KERNEL, folder)) for _ in range(RUSHING)]
    for stdin, _ in kernels:
        stdin.write("go\n")
        stdin.flush()

    assert len({int(stdout.readline()) for _, stdout in kernels}) == 1
    assert OwnerPaths(folder).log.read_text().count("serving as process") == 1


def test_a_client_that_connects_while_an_idle_owner_exits_is_served(folder: Path) -> None:
    written = []
    for _ in range(12):
        client = OwnerClient(folder, idle_seconds=0.0)
        point = message()
        client.upsert("chat_history", [point])
        written.append(point.id)
        assert client.count("chat_history", EVERYTHING) == len(written)
        client.close()


def test_an_owner_whose_data_path_was_moved_ends_and_another_serves_it_there(
    client: OwnerClient, folder: Path, tmp_path: Path
) -> None:
    client.upsert("chat_history", [message()])
    first = owner_of(client, folder)
    moved = tmp_path / "moved"
    folder.rename(moved)
    until(lambda: ended(first.pid), "the end of the owner")

    there = OwnerClient(moved, idle_seconds=30)
    assert there.count("chat_history", EVERYTHING) == 1
    assert owner_of(there, moved).pid != first.pid
    there.close()
    assert not folder.exists()


def test_an_owner_whose_data_path_was_deleted_ends(client: OwnerClient, folder: Path) -> None:
    first = owner_of(client, folder)
    shutil.rmtree(folder)
    until(lambda: ended(first.pid), "the end of the owner")

    assert not Path(first.address).exists()


def test_an_owner_whose_socket_folder_was_removed_makes_way_for_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A socket's path must be short, or it would be in the folder that the stores of other tests share.
    with tempfile.TemporaryDirectory(prefix="run-") as sockets:
        monkeypatch.setenv("XDG_RUNTIME_DIR", sockets)
        client = OwnerClient(folder, idle_seconds=30)
        client.upsert("chat_history", [message()])
        first = owner_of(client, folder)
        client.close()
        assert Path(first.address).is_relative_to(sockets)
        shutil.rmtree(Path(first.address).parent)

        assert client.count("chat_history", EVERYTHING) == 1
        assert owner_of(client, folder).pid != first.pid
        client.close()


def test_an_owner_serves_although_another_user_has_taken_the_folders_of_its_socket(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that others may write to stands for one that belongs to another user: neither is private."""
    temporary = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))  # the path of a socket must be short
    squatted = temporary / f"cloudops-nb-{os.geteuid()}"
    squatted.mkdir()
    squatted.chmod(0o777)
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("cloudops_nb.storage.engines.owner.endpoint._socket_folders", lambda: [squatted])
    monkeypatch.setattr(tempfile, "tempdir", None)
    address = Path(socket_address(folder))
    assert address.parent.parent == temporary
    assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700
    remove_socket_folder(str(address))
    assert not address.parent.exists()
    remove_socket_folder(str(squatted / "a.sock"))
    assert squatted.exists()
    shutil.rmtree(temporary)


@pytest.mark.fast
def test_a_full_disk_is_one_clear_line_and_reads_and_deletions_go_on(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, deleted = message(), message()
    chat = {"collection": "chat_history"}
    shards.run("upsert", {**chat, "points": [kept, deleted]})
    with monkeypatch.context() as full:
        full.setattr(shards_module, "RESERVE_BYTES", 1 << 62)
        for operation, arguments in (
            ("upsert", {"points": [message()]}),
            ("append", {"point": message(), "group": "context", "sequence": "index"}),
            ("patch", {"patches": [Patch([kept.id], {"role": "user"})]}),
            ("stage", {}),
        ):
            with pytest.raises(StorageError, match=r"^nothing was written: the disk is full\. Free"):
                shards.run(operation, {**chat, **arguments})
        with pytest.raises(StorageError, match=r"^the aws_estate collection cannot be created: the disk is full\."):
            shards.run("count", {"collection": "aws_estate", "where": EVERYTHING})
        assert shards.run("delete_ids", {**chat, "ids": [deleted.id]}) == 1
        assert shards.run("count", {**chat, "where": EVERYTHING}) == 1

    shards.run("upsert", {**chat, "points": [message()]})
    assert shards.run("count", {**chat, "where": EVERYTHING}) == 2


def test_a_write_that_the_file_system_refuses_costs_nothing_that_was_acknowledged(
    client: OwnerClient, folder: Path
) -> None:
    acknowledged = [message() for _ in range(50)]
    client.upsert("chat_history", acknowledged)
    client.flush()
    pid = owner_of(client, folder).pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    refused = ""
    for _ in range(400):
        points = [message("x" * 2000) for _ in range(50)]
        try:
            client.upsert("chat_history", points)
        except StorageError as error:
            refused = str(error)
            break
        acknowledged += points
    if not ended(pid):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    assert refused
    assert "\n" not in refused
    found = {row.id for row in client.rows("chat_history", EVERYTHING, ())}
    assert {point.id for point in acknowledged} <= found
    client.upsert("chat_history", [message()])


def test_another_user_can_neither_connect_nor_read(client: OwnerClient, folder: Path) -> None:
    client.upsert("chat_history", [message()])
    client.flush()
    endpoint = owner_of(client, folder)
    files = [path for path in OwnerPaths(folder).folder.rglob("*") if path.is_file()]
    intruder = subprocess.run(
        [sys.executable, "-I", "-c", INTRUDER, str(NOBODY), endpoint.address, *map(str, files)],
        cwd="/",
        text=True,
        capture_output=True,
        check=True,
    )

    sockets = Path(endpoint.address).parent
    assert {stat.S_IMODE(path.stat().st_mode) for path in (sockets, OwnerPaths(folder).folder)} == {0o700}
    # Without the right to change the user, the attempts run as the same user, and all succeed.
    assert len(intruder.stdout.splitlines()) == (0 if os.geteuid() == 0 else len(files) + 1)


def test_the_log_holds_no_value_and_no_key(client: OwnerClient, folder: Path) -> None:
    secret = owner_of(client, folder).secret
    client.upsert("chat_history", [message("zebra-crossing")])
    with pytest.raises(StorageError):
        client.upsert("chat_history", [Point(str(uuid.uuid4()), {"context": "zebra-crossing"}, ONE + ONE)])
    with pytest.raises(StorageError):
        client.upsert("chat_history", [Point("zebra-crossing", {}, ONE)])
    log = OwnerPaths(folder).log.read_bytes()

    assert b"zebra" not in log
    assert secret not in log
    assert secret.hex().encode() not in log


def test_owners_that_keep_ending_are_not_started_for_ever(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    started = []

    def lost(_paths: OwnerPaths) -> None:
        raise ConnectionLostError

    monkeypatch.setattr(client_module, "connect_to_owner", lost)
    monkeypatch.setattr(client_module, "start_owner", lambda *_: started.append(1))

    with pytest.raises(StoreUnavailableError, match="process was lost 6 times during this request"):
        OwnerClient(folder, idle_seconds=1).count("chat_history", EVERYTHING)
    assert len(started) == 6


def test_an_owner_is_no_larger_after_thousands_of_answers(client: OwnerClient, folder: Path) -> None:
    client.upsert("chat_history", [message() for _ in range(200)])
    pid = owner_of(client, folder).pid

    def ask(times: int) -> None:
        for _ in range(times):
            client.newest("chat_history", EVERYTHING, ("context",), order="index", limit=10)
            client.facet("chat_history", "context", EVERYTHING)

    ask(500)
    before = _anonymous_kilobytes(pid)
    threads = [threading.Thread(target=ask, args=(1_000,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert _anonymous_kilobytes(pid) - before < 8 << 10


def _anonymous_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
