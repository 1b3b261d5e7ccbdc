"""The process that owns the shards: started once, shared, private, and replaceable at any moment."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import stat
import threading
import uuid
from array import array
from contextlib import closing, suppress
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from cloudops_nb.errors import StorageError, StoreCorruptedError
from cloudops_nb.storage.engines.owner import owner_client as client_module
from cloudops_nb.storage.engines.owner.endpoint import Endpoint, OwnerPaths
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.engines.owner.wire_frames import pack_frame, unpack_frame
from cloudops_nb.storage.engines.vector_store import Point, PointFilter
from tests.waiting import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

EVERYTHING = PointFilter()
ONE = array("f", [1.0]).tobytes()


def message(context: str = "c") -> Point:
    return Point(str(uuid.uuid4()), {"kind": "message", "context": context}, ONE)


def owner_of(client: OwnerClient) -> Endpoint:
    client.count("chat_history", EVERYTHING)
    endpoint = Endpoint.read(client._paths.endpoint)
    assert endpoint is not None
    return endpoint


def received(connection: Connection) -> list[bytes]:
    """Everything that still comes before the other side hangs up."""
    frames = []
    with suppress(EOFError, ConnectionError):
        while True:
            frames.append(connection.recv_bytes())
    return frames


def kill(client: OwnerClient) -> None:
    with suppress(ProcessLookupError):
        os.kill(owner_of(client).pid, signal.SIGKILL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def client(folder: Path) -> Iterator[OwnerClient]:
    client = OwnerClient(folder, idle_seconds=30)
    yield client
    client.close()
    if endpoint := Endpoint.read(OwnerPaths(folder).endpoint):
        with suppress(ProcessLookupError):
            os.kill(endpoint.pid, signal.SIGTERM)
    if OwnerPaths(folder).folder.exists():
        FileLock(OwnerPaths(folder).lock, timeout=DEADLINE_SECONDS).acquire().lock.release()


def test_everything_it_makes_is_for_its_user_alone(client: OwnerClient, folder: Path) -> None:
    client.upsert("chat_history", [message()])
    client.count("aws_estate", EVERYTHING)
    client.flush()
    socket = Path(owner_of(client).address)
    made = [OwnerPaths(folder).folder, *OwnerPaths(folder).folder.rglob("*"), socket, socket.parent]

    assert {path: oct(path.lstat().st_mode) for path in made if path.lstat().st_mode & 0o077} == {}
    assert stat.S_ISSOCK(socket.lstat().st_mode)
    assert len(os.fsencode(socket)) < 104


def test_an_idle_owner_leaves_nothing_but_the_shards_and_comes_back_when_needed(folder: Path) -> None:
    client = OwnerClient(folder, idle_seconds=0.2)
    client.upsert("chat_history", [message()])
    paths, first = OwnerPaths(folder), owner_of(client)
    client.close()
    until(lambda: not paths.endpoint.exists(), "the idle exit")
    with FileLock(paths.lock, timeout=DEADLINE_SECONDS):
        assert not Path(first.address).exists()

    assert client.count("chat_history", EVERYTHING) == 1
    assert owner_of(client).pid != first.pid
    client.close()
    until(lambda: not paths.endpoint.exists(), "the second idle exit")


def test_nothing_acknowledged_is_lost_when_it_is_killed_in_mid_write(client: OwnerClient) -> None:
    acknowledged: list[str] = []
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(60):
                points = [message() for _ in range(25)]
                client.upsert("chat_history", points)
                acknowledged.extend(point.id for point in points)
        except BaseException as error:  # a thread's failure has to reach the test
            failures.append(error)
            raise

    def written(threshold: int) -> bool:
        return len(acknowledged) >= threshold or bool(failures)

    writer = threading.Thread(target=write)
    writer.start()
    pids = set()
    for threshold in (100, 500, 1000):
        until(partial(written, threshold), "writing")
        pids.add(owner_of(client).pid)
        kill(client)
    writer.join(DEADLINE_SECONDS)

    assert not failures
    assert len(pids) == 3
    kill(client)
    found = {row.id for row in client.rows("chat_history", EVERYTHING, ())}
    assert set(acknowledged) <= found
    assert len(found) == 60 * 25


def test_a_terminated_owner_syncs_and_lets_go_of_its_lock(client: OwnerClient, folder: Path) -> None:
    client.upsert("chat_history", [message() for _ in range(10)])
    os.kill(owner_of(client).pid, signal.SIGTERM)
    with FileLock(OwnerPaths(folder).lock, timeout=DEADLINE_SECONDS):
        assert not OwnerPaths(folder).endpoint.exists()

    assert client.count("chat_history", EVERYTHING) == 10


def test_a_stale_socket_and_endpoint_of_a_killed_owner_are_no_obstacle(client: OwnerClient) -> None:
    dead = owner_of(client)
    kill(client)
    until(lambda: not _alive(dead.pid), "the death of the owner")

    assert Path(dead.address).exists()
    assert owner_of(client).pid != dead.pid


def test_an_owner_that_gets_ready_while_another_is_started_serves_the_clients_of_both(
    client: OwnerClient, folder: Path
) -> None:
    """As after a client that was killed while it started an owner: the owner has the lock, and cannot be found yet."""
    client.upsert("chat_history", [message()])
    first, paths, hidden = owner_of(client), OwnerPaths(folder), folder / "hidden"
    os.kill(first.pid, signal.SIGSTOP)
    paths.endpoint.rename(hidden)
    other, counted = OwnerClient(folder, idle_seconds=30), list[int]()
    thread = threading.Thread(target=lambda: counted.append(other.count("chat_history", EVERYTHING)))
    try:
        thread.start()
        until(lambda: len(_started(folder)) > 1, "the start of another owner")
    finally:
        hidden.rename(paths.endpoint)
        os.kill(first.pid, signal.SIGCONT)
    thread.join()
    other.close()

    assert counted == [1]
    assert owner_of(client).pid == first.pid


def _started(folder: Path) -> list[int]:
    """The processes that serve a data path, or wait to do so."""
    command = b"cloudops_nb.storage.engines.owner\0" + bytes(folder) + b"\0"
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if command in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def test_an_owner_whose_socket_was_removed_makes_way_for_another(client: OwnerClient) -> None:
    first = owner_of(client)
    client.upsert("chat_history", [message()])
    client.close()
    Path(first.address).unlink()

    assert client.count("chat_history", EVERYTHING) == 1
    assert owner_of(client).pid != first.pid


def test_a_deleted_and_recreated_folder_is_a_new_store(client: OwnerClient, folder: Path) -> None:
    client.upsert("chat_history", [message()])
    old = owner_of(client)
    client.close()
    shutil.rmtree(folder)
    folder.mkdir(mode=0o700)

    assert client.count("chat_history", EVERYTHING) == 0
    new = owner_of(client)
    until(lambda: not _alive(old.pid), "the end of the old owner")
    assert owner_of(client) == new
    assert Path(new.address).exists()


def test_who_does_not_know_the_secret_is_refused(client: OwnerClient) -> None:
    address = owner_of(client).address
    with pytest.raises(AuthenticationError):
        Client(address, family="AF_UNIX", authkey=b"a guess")

    with Client(address, family="AF_UNIX") as unproven:
        unproven.recv_bytes()  # the challenge
        unproven.send_bytes(pack_frame(["count", {"collection": "chat_history", "where": EVERYTHING}]))
        assert all(b"ok" not in frame for frame in received(unproven))


def test_the_secret_is_new_with_every_owner_and_in_no_repr(client: OwnerClient) -> None:
    first = owner_of(client)
    kill(client)

    assert owner_of(client).secret != first.secret
    assert first.secret.hex() not in repr(first)
    assert repr(first.secret) not in repr(first)


@pytest.mark.parametrize("damaged", ["segments/*/segment.json", "edge_config.json", "wal/open-*"])
def test_a_damaged_shard_is_one_clear_line_and_the_other_collection_works(
    client: OwnerClient, folder: Path, damaged: str
) -> None:
    client.upsert("chat_history", [message()])
    client.count("aws_estate", EVERYTHING)
    client.flush()
    kill(client)
    shard = OwnerPaths(folder).folder / "chat_history"
    for path in shard.glob(damaged):
        path.write_bytes(b"not what was here")

    with pytest.raises(StoreCorruptedError) as raised:
        client.count("chat_history", EVERYTHING)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("the chat_history collection cannot be opened: ")
    assert client.count("aws_estate", EVERYTHING) == 0


def test_it_inherits_neither_keys_nor_credentials(client: OwnerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDOPS_ENCRYPTION_KEY", "00" * 32)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    environment = Path(f"/proc/{owner_of(client).pid}/environ").read_bytes()

    assert b"CLOUDOPS" not in environment
    assert b"AWS" not in environment


def test_an_unknown_operation_or_collection_is_an_error_not_the_end(client: OwnerClient) -> None:
    with pytest.raises(StorageError, match="there is no operation"):
        client._call("optimize", collection="aws_estate")
    with pytest.raises(StorageError, match="there is no collection"):
        client.count("elsewhere", EVERYTHING)
    with pytest.raises(StorageError, match="failed unexpectedly"):
        client._call("count", collection="aws_estate", unheard_of=1)

    assert client.count("aws_estate", EVERYTHING) == 0


def test_bytes_that_are_no_frame_are_answered_with_an_error(client: OwnerClient) -> None:
    with client._borrowed() as connection:
        connection.send_bytes(b"\xc1 no msgpack")
        assert unpack_frame(connection.recv_bytes())[0] == "storage"
        connection.send_bytes(pack_frame(["hello", {}]))
        assert unpack_frame(connection.recv_bytes())[0] == "ok"


def test_an_interrupt_in_mid_request_costs_a_connection_and_no_answer_is_mixed_up(
    client: OwnerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.upsert("chat_history", [message()])

    def interrupted(_frame: bytes) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(client_module, "unpack_frame", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.facet("chat_history", "context", EVERYTHING)

    assert client.count("chat_history", EVERYTHING) == 1


def test_repeating_an_append_gives_the_same_number(client: OwnerClient) -> None:
    point = message()
    numbers = [
        client.append("chat_history", each, group="context", sequence="index") for each in (message(), point, point)
    ]

    assert numbers == [0, 1, 1]
    kill(client)
    assert client.append("chat_history", message(), group="context", sequence="index") == 2


def test_the_generation_changes_with_every_write_and_with_the_owner(client: OwnerClient) -> None:
    seen = [client.generation("chat_history")]
    client.upsert("chat_history", [message()])
    seen.append(client.generation("chat_history"))
    kill(client)
    seen.append(client.generation("chat_history"))

    assert len(set(seen)) == 3


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_an_owner_that_ran_out_of_descriptors_lets_clients_in_again(client: OwnerClient, folder: Path) -> None:
    endpoint = owner_of(client)
    open_now = len(list(Path(f"/proc/{endpoint.pid}/fd").iterdir()))
    before = resource.prlimit(endpoint.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(endpoint.pid, resource.RLIMIT_NOFILE, (open_now, before[1]))
    with closing(socket.socket(socket.AF_UNIX)) as waiting:
        waiting.connect(endpoint.address)
        until(lambda: "a client cannot connect" in OwnerPaths(folder).log.read_text(), "the refusal")
    resource.prlimit(endpoint.pid, resource.RLIMIT_NOFILE, before)

    other = OwnerClient(folder, idle_seconds=30)
    assert owner_of(other).pid == endpoint.pid
    other.close()


def test_a_refusal_of_the_engine_is_an_error_and_the_owner_keeps_serving(client: OwnerClient) -> None:
    pid = owner_of(client).pid
    with pytest.raises(StorageError, match="failed unexpectedly"):
        client.newest("chat_history", EVERYTHING, (), order="index", limit=-1)

    assert owner_of(client).pid == pid
