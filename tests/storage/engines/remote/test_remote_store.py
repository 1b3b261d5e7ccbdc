"""The remote engine: what only a server can do wrong, and what several kernels and hosts do to one another."""

from __future__ import annotations

import shutil
import socket
import threading
import uuid
from array import array
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from cloudops_nb.errors import ConfigurationError, InitialisationError, StorageError, StoreUnavailableError
from cloudops_nb.storage.engines.remote.host_state import HostState
from cloudops_nb.storage.engines.remote.remote_store import PAGE, RemoteStore
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, AnyOf, Patch, Point, PointFilter, Sparse, VectorQuery
from tests.storage.engines.remote.qdrant_server import API_KEY
from tests.storage.engines.remote.qdrant_shard import RefusedError
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.storage.engines.remote.qdrant_server import QdrantServer

ONE = array("f", [1.0]).tobytes()
CHAT, ESTATE = "chat_history", "aws_estate"


def message(context: str = "c", **payload: object) -> Point:
    return Point(str(uuid.uuid4()), {"context": context, "kind": "message", **payload}, ONE)


def append(store: RemoteStore, point: Point) -> int:
    return store.append(CHAT, point, group="context", sequence="index")


def test_pages_are_put_together_again(store: RemoteStore) -> None:
    points = [message(index=number) for number in range(2 * PAGE + 3)]
    store.upsert(CHAT, points)
    ids = sorted(point.id for point in points)

    assert [point.id for point in store.points(CHAT)] == ids
    assert [row.id for row in store.rows(CHAT, EVERY_POINT, (), PAGE + 1)] == ids[: PAGE + 1]
    assert len(store.retrieve(CHAT, ids, ("index",))) == len(ids)
    assert store.patch(CHAT, [Patch([point_id], {"role": "user"}) for point_id in [*ids, str(uuid.uuid4())]]) != []
    assert store.facet(CHAT, "role", EVERY_POINT) == {"user": len(ids)}
    assert store.delete_ids(CHAT, [*ids, str(uuid.uuid4()), ids[0]]) == len(ids)


def test_a_whole_point_comes_back(store: RemoteStore) -> None:
    dense = array("f", [0.6, 0.8] + [0.0] * 382)
    point = Point(str(uuid.uuid4()), {"scan": "s", "data": "x", "none": None}, dense.tobytes(), Sparse.of({7: 0.5}))
    store.upsert(ESTATE, [point, Point(str(uuid.uuid4()), {}, dense.tobytes())])
    (back,) = store.points(ESTATE, PointFilter([AnyOf("scan", ["s"])]))

    assert (back.id, back.payload, back.sparse) == (point.id, point.payload, point.sparse)
    assert array("f", back.dense).tolist() == pytest.approx(dense.tolist(), abs=1e-3)  # half floats


def test_a_sparse_query_without_dimensions_finds_nothing_and_costs_nothing(
    store: RemoteStore, server: QdrantServer
) -> None:
    assert store.query(ESTATE, [VectorQuery(Sparse.of({}), 3)]) == [[]]
    assert store.query(ESTATE, []) == []
    assert "query" not in server.requests


def test_a_server_that_is_not_there_is_said_in_one_line(kernel: Callable[..., RemoteStore]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(StoreUnavailableError, match="Check that the Qdrant server is running") as raised:
        kernel(url=f"http://127.0.0.1:{port}").count(CHAT, EVERY_POINT)
    assert "\n" not in str(raised.value)
    assert str(port) in str(raised.value)


def test_a_server_that_is_busy_for_a_moment_is_asked_again(store: RemoteStore, server: QdrantServer) -> None:
    store.count(CHAT, EVERY_POINT)
    left = [503, 429, 502]

    def busy(name: str) -> None:
        if name == "upsert" and left:
            raise RefusedError(left.pop(), "busy")

    server.before = busy
    store.upsert(CHAT, [message()])

    assert store.count(CHAT, EVERY_POINT) == 1
    assert server.requests.count("upsert") == 4


def test_a_write_whose_answer_was_lost_is_repeated_without_doubling(
    store: RemoteStore, server: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(store, message())
    answer = server.answer
    lost: list[str] = []

    def lose_one(method: str, path: str, *request: Any) -> Any:
        result = answer(method, path, *request)
        if method == "PUT" and not lost:
            lost.append(path)
            raise RefusedError(503, "lost")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(server, "answer", lose_one)
        assert append(store, message()) == 1
    assert lost
    assert store.count(CHAT, EVERY_POINT) == 2


def test_a_wrong_key_is_refused_and_never_shown(kernel: Callable[..., RemoteStore]) -> None:
    store = kernel(key="a-wrong-key-of-an-example")
    with pytest.raises(StorageError, match="refused the API key") as raised:
        store.count(CHAT, EVERY_POINT)
    shown = [str(raised.value), repr(raised.value), repr(store), repr(store._connection), repr(raised.value.__cause__)]
    assert not any("a-wrong-key" in text for text in shown)
    assert raised.value.fix == "Correct qdrant_api_key."


def test_a_refused_request_is_one_line_without_its_content(store: RemoteStore) -> None:
    point = Point(str(uuid.uuid4()), {"secret": "content-of-a-point"}, array("f", [1.0, 2.0]).tobytes())
    with pytest.raises(StorageError, match="returned 400") as raised:
        store.upsert(CHAT, [point])
    assert "content-of" not in str(raised.value)
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://qdrant.example.com:6333", "only to this host"),
        ("http://10.0.0.7", "only to this host"),
        ("ftp://127.0.0.1", "must be https"),
        ("https://", "must be https"),
        ("https://user:word@qdrant.example.com", "more than a host"),
        ("https://qdrant.example.com:port", "not a valid address"),
    ],
)
def test_an_address_that_would_show_the_key_is_refused(tmp_path: Path, url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as raised:
        RemoteStore(url, SecretStr(API_KEY), "p_", HostState(tmp_path))
    assert "word" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:6333", "http://127.0.0.9", "http://[::1]:6333", "https://q.example.com"]
)
def test_an_address_on_this_host_or_over_tls_is_fine(tmp_path: Path, url: str) -> None:
    assert url in repr(RemoteStore(url, SecretStr(API_KEY), "p_", HostState(tmp_path)))


def test_another_store_with_the_same_prefix_is_refused(
    store: RemoteStore, kernel: Callable[..., RemoteStore], tmp_path: Path
) -> None:
    store.upsert(CHAT, [message()])
    (tmp_path / "other").mkdir()
    other = kernel(tmp_path / "other")
    for use in (lambda: other.count(CHAT, EVERY_POINT), lambda: other.stage(CHAT), lambda: other.drop(CHAT)):
        with pytest.raises(InitialisationError, match="it does not belong to this store"):
            use()
    assert store.count(CHAT, EVERY_POINT) == 1


def test_a_collection_of_another_schema_is_refused(
    store: RemoteStore, kernel: Callable[..., RemoteStore], server: QdrantServer, prefix: str
) -> None:
    for name in (CHAT, ESTATE):
        store.count(name, EVERY_POINT)
    server.aliases[f"{prefix}{ESTATE}"] = f"{prefix}{CHAT}_1"
    with pytest.raises(InitialisationError, match="'dense' of 384 components by cosine and 'lexical' by IDF"):
        kernel().count(ESTATE, EVERY_POINT)


def test_a_server_that_is_too_old_is_refused(store: RemoteStore, server: QdrantServer) -> None:
    server.version = "1.15.4"
    with pytest.raises(InitialisationError, match=r"version 1\.15\.4.*Upgrade the server to 1\.16"):
        store.count(CHAT, EVERY_POINT)


def test_kernels_that_come_first_at_once_make_one_collection(
    kernel: Callable[..., RemoteStore], server: QdrantServer, prefix: str
) -> None:
    begin = threading.Barrier(4)
    kernels = [kernel() for _ in range(4)]
    numbers: list[int] = []

    def begin_at_once(store: RemoteStore) -> None:
        begin.wait(30)
        numbers.append(append(store, message()))

    threads = [threading.Thread(target=begin_at_once, args=[store]) for store in kernels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == [0, 1, 2, 3]
    assert [name for name in server.collections if name.startswith(prefix)] == [f"{prefix}{CHAT}_1"]


def test_a_killed_first_use_is_finished_by_the_next(
    kernel: Callable[..., RemoteStore], server: QdrantServer, prefix: str
) -> None:
    def killed(name: str) -> None:
        if name == "change_aliases":
            raise RefusedError(418, "killed")

    server.before = killed
    with pytest.raises(StorageError):
        kernel().count(CHAT, EVERY_POINT)
    server.before = lambda _: None
    store = kernel()

    assert append(store, message()) == 0
    assert server.aliases[f"{prefix}{CHAT}"] == f"{prefix}{CHAT}_1"


def test_indexes_that_a_newer_version_adds_are_made(
    store: RemoteStore, kernel: Callable[..., RemoteStore], server: QdrantServer, prefix: str
) -> None:
    store.upsert(CHAT, [message(role="user")])
    del server.collections[f"{prefix}{CHAT}_1"].indexes["role"]

    assert kernel().facet(CHAT, "role", EVERY_POINT) == {"user": 1}


@pytest.mark.parametrize("step", range(1, 12))
def test_a_replacement_that_was_killed_can_be_repeated(
    kernel: Callable[..., RemoteStore], server: QdrantServer, prefix: str, step: int
) -> None:
    store = kernel()
    store.upsert(CHAT, [message("old")])
    left = [step]

    def killed(_: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise RefusedError(418, "killed")

    def replace() -> None:
        staged = store.stage(CHAT)
        store.upsert(staged, [message("new"), message("new")])
        store.adopt([CHAT])

    server.before = killed
    try:
        replace()
    except StorageError:
        server.before = lambda _: None
        assert store.facet(CHAT, "context", EVERY_POINT) in ({"old": 1}, {"new": 2})
        store.adopt([CHAT])
        replace()

    server.before = lambda _: None
    assert kernel().facet(CHAT, "context", EVERY_POINT) == {"new": 2}
    assert len([name for name in server.collections if name.startswith(prefix)]) == 1
    assert [alias for alias in server.aliases if alias.startswith(prefix)] == [f"{prefix}{CHAT}"]


def test_a_discarded_collection_leaves_the_live_one(store: RemoteStore, server: QdrantServer, prefix: str) -> None:
    store.upsert(CHAT, [message()])
    staged = store.stage(CHAT)
    store.upsert(staged, [message(), message()])
    assert (store.count(CHAT, EVERY_POINT), store.count(staged, EVERY_POINT)) == (1, 2)
    store.discard(CHAT)
    store.adopt([CHAT])

    assert store.count(CHAT, EVERY_POINT) == 1
    with pytest.raises(StorageError, match="returned 404"):
        store.count(staged, EVERY_POINT)
    assert len([name for name in server.collections if name.startswith(prefix)]) == 1


def test_an_append_that_is_repeated_keeps_its_number(store: RemoteStore) -> None:
    first = message()

    assert [append(store, first), append(store, message()), append(store, first)] == [0, 1, 0]
    assert store.count(CHAT, EVERY_POINT) == 2


def test_hosts_that_append_at_once_never_get_the_same_number(
    kernel: Callable[..., RemoteStore], tmp_path: Path
) -> None:
    here = kernel()
    append(here, message())
    hosts = [here]
    for name in ("two", "three"):
        shutil.copytree(tmp_path / "remote", tmp_path / name / "remote")
        hosts.append(kernel(tmp_path / name))
    numbers: list[int] = []

    def talk(store: RemoteStore) -> None:
        numbers.extend([append(store, message()) for _ in range(8)])

    threads = [threading.Thread(target=talk, args=[store]) for store in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(numbers) == len(set(numbers)) == 24
    assert sorted(row.payload["index"] for row in here.rows(CHAT, EVERY_POINT, ("index",))) == [0, *sorted(numbers)]


def test_every_write_of_any_kernel_of_the_host_changes_the_generation(
    store: RemoteStore, kernel: Callable[..., RemoteStore]
) -> None:
    beside, point = kernel(), message()

    def replace_it() -> None:
        store.stage(CHAT)
        store.adopt([CHAT])

    writes: list[Callable[[], object]] = [
        lambda: store.upsert(CHAT, [point]),
        lambda: append(store, message()),
        lambda: store.patch(CHAT, [Patch([point.id], {"role": "user"})]),
        lambda: store.delete_ids(CHAT, [point.id]),
        lambda: store.delete(CHAT, EVERY_POINT),
        replace_it,
    ]
    for write in writes:
        before = beside.generation(CHAT)
        write()
        assert beside.generation(CHAT) != before


def test_a_retired_store_writes_no_more(store: RemoteStore) -> None:
    store.upsert(CHAT, [message()])
    store.retire()
    with pytest.raises(StoreUnavailableError, match="was closed"):
        store.upsert(CHAT, [message()])


def test_a_retired_store_has_answered_what_was_asked_before(store: RemoteStore, server: QdrantServer) -> None:
    store.count(CHAT, EVERY_POINT)
    arrived, let_go, events = threading.Event(), threading.Event(), []

    def held(name: str) -> None:
        if name == "upsert":
            arrived.set()
            let_go.wait(30)

    def retire() -> None:
        store.retire()
        events.append("retired after the write" if let_go.is_set() else "retired before the write")

    def write() -> None:
        store.upsert(CHAT, [message()])
        events.append("acknowledged")

    server.before = held
    threads = [threading.Thread(target=write), threading.Thread(target=retire)]
    threads[0].start()
    assert arrived.wait(30)
    threads[1].start()
    until(lambda: refused(store), "the refusal of new operations")
    let_go.set()
    for thread in threads:
        thread.join(30)
    assert sorted(events) == ["acknowledged", "retired after the write"]


def refused(store: RemoteStore) -> bool:
    try:
        store.count(CHAT, EVERY_POINT)
    except StoreUnavailableError:
        return True
    return False


def test_a_hurried_request_is_sent_once_to_a_silent_server(kernel: Callable[..., RemoteStore]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        store = kernel(url=f"http://127.0.0.1:{mute.getsockname()[1]}")
        with pytest.raises(StoreUnavailableError, match="Check that the Qdrant server is running"):
            store.count(CHAT, EVERY_POINT, seconds=0.5)
        mute.settimeout(0)
        mute.accept()[0].close()
        with pytest.raises(BlockingIOError):
            mute.accept()


def test_who_is_in_a_hurry_gets_the_same_count(store: RemoteStore) -> None:
    store.upsert(CHAT, [message()])

    assert store.count(CHAT, EVERY_POINT, seconds=30) == 1
    store.retire()
    with pytest.raises(StoreUnavailableError, match="was closed"):
        store.count(CHAT, EVERY_POINT, seconds=30)


@pytest.mark.parametrize("use", [lambda store: store.generation(CHAT), lambda store: store.upsert(CHAT, [message()])])
def test_a_file_in_the_place_of_the_folder_is_one_line(
    kernel: Callable[..., RemoteStore], tmp_path: Path, use: Callable[[RemoteStore], object]
) -> None:
    (tmp_path / "remote").touch()
    with pytest.raises(InitialisationError) as raised:
        use(kernel())
    assert str(raised.value).count("\n") == 0


def test_a_collection_of_no_schema_does_not_exist(store: RemoteStore) -> None:
    with pytest.raises(StorageError, match="there is no collection other"):
        store.count("other", EVERY_POINT)
