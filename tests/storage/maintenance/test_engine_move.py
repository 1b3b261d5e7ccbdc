"""Moving a store between engines: nothing is lost, whenever the process is killed, and the same command finishes."""

from __future__ import annotations

import socket
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import SecretStr

from cloudops_nb.errors import ConfigurationError, InitialisationError, StorageError, StoreUnavailableError
from cloudops_nb.model import CellResult, CellState, Resource
from cloudops_nb.settings import Settings, load_settings
from cloudops_nb.storage.engines.choice import engine_named
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.engines.remote.host_state import HostState
from cloudops_nb.storage.engines.remote.remote_store import RemoteStore
from cloudops_nb.storage.engines.vector_store import EVERY_POINT
from cloudops_nb.storage.facade import StorageService
from cloudops_nb.storage.files.store_file import StoreFile
from cloudops_nb.storage.maintenance import abandoned_copies, engine_move
from cloudops_nb.storage.maintenance.abandoned_copies import AbandonedCopies
from cloudops_nb.storage.maintenance.engine_move import move_store
from tests.storage.conftest import WordEmbedder, ended_owners, header_of, quick_folder
from tests.storage.engines.remote.qdrant_server import API_KEY
from tests.storage.engines.remote.qdrant_shard import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloudops_nb.storage.engines.vector_store import Point
    from tests.storage.engines.remote.qdrant_server import QdrantServer

HOSTS = [
    Resource("ec2_instance", f"i-{number}", "123456789012", "eu-west-1", "ec2", name=f"web {number}")
    for number in range(3)
]


@pytest.fixture
def embedded(prefix: str) -> Iterator[Settings]:
    """Settings of a store on this host, with something in it, that know a server's key and prefix."""
    with quick_folder() as folder, ended_owners(folder):
        given = {"data_path": folder / "store", "key_file": folder / "key" / "encryption.key"}
        settings = Settings(**given, qdrant_api_key=SecretStr(API_KEY), qdrant_prefix=prefix)
        with opened(settings) as storage:
            storage.estate.upsert(HOSTS, scan_id="scan-1")
            storage.estate.finish_cell(
                CellResult(HOSTS[0].cell, CellState.OK, datetime.now(UTC), 1.0), scan_id="scan-1"
            )
            storage.chat.append("talk", "user", "hello")
        yield settings


def opened(settings: Settings) -> StorageService:
    return StorageService(settings, WordEmbedder)


def as_configured(settings: Settings) -> Settings:
    """The settings that the next notebook loads."""
    known = {name: getattr(settings, name) for name in ("key_file", "qdrant_api_key", "qdrant_prefix")}
    return load_settings(settings.data_path, environment={}, **known)


def whole(settings: Settings) -> bool:
    """Whether everything is in the engine that the store names."""
    header = header_of(StoreFile(settings.data_path))
    place = {"qdrant_mode": header.engine, "qdrant_url": header.remote_url}
    with opened(settings.model_copy(update=place)) as storage:
        found = [hit.resource.name for hit in storage.estate.search("web 1", limit=1)]
        assert storage.estate.integrity.check().warnings() == []
        return storage.estate.count() == 3 and found == ["web 1"] and len(storage.chat.history("talk")) == 1


def is_empty(settings: Settings, url: str) -> bool:
    """Whether the other engine is empty."""
    place = {"qdrant_mode": "remote" if url else "embedded", "qdrant_url": url}
    engine = engine_named(settings.model_copy(update=place), settings.data_path)
    try:
        return engine.count("aws_estate", EVERY_POINT) == engine.count("chat_history", EVERY_POINT) == 0
    finally:
        engine.close()


def notes_of(settings: Settings) -> list[str]:
    """What moves have noted in the data path."""
    return [name for name in ("move.json", "left_behind.json") if (settings.data_path / name).exists()]


def collections_of(server: QdrantServer, settings: Settings) -> list[str]:
    return [name for name in server.collections if name.startswith(settings.qdrant_prefix)]


def test_a_store_moves_to_a_server_and_back(embedded: Settings, server: QdrantServer) -> None:
    moved = move_store(embedded, "remote", url=server.url)

    assert moved.points == {"chat_history": 2, "aws_estate": 3}
    assert as_configured(embedded).qdrant_url == server.url
    assert whole(as_configured(embedded))
    assert is_empty(embedded, "")

    remote = as_configured(embedded)
    with opened(remote) as storage:
        assert storage.estate.upsert(HOSTS, scan_id="scan-2").unchanged == 3
        assert storage.chat.append("talk", "user", "again").index == 1
        storage.chat.delete("talk")
        storage.chat.append("talk", "user", "hello")
    move_store(remote, "embedded")

    assert as_configured(embedded).remote is False
    assert whole(as_configured(embedded))
    assert collections_of(server, embedded) == []


def test_a_move_to_the_present_engine_does_nothing(embedded: Settings, server: QdrantServer) -> None:
    assert move_store(embedded, "embedded").points == {}
    move_store(embedded, "remote", url=server.url)

    assert move_store(as_configured(embedded), "remote").points == {}
    assert whole(as_configured(embedded))


def test_settings_that_name_another_engine_get_the_command_in_the_error(
    embedded: Settings, server: QdrantServer
) -> None:
    elsewhere = embedded.model_copy(update={"qdrant_mode": "remote", "qdrant_url": server.url})
    with opened(elsewhere) as storage, pytest.raises(InitialisationError, match="cloudops-nb move --to remote"):
        storage.estate.count()
    move_store(elsewhere, "remote")
    with opened(embedded) as storage, pytest.raises(InitialisationError, match="cloudops-nb move --to embedded"):
        storage.estate.count()
    assert whole(elsewhere)


def steps_of(target: str) -> list[tuple[object, str]]:
    """Where a move is killed: after each thing that it does for the first time."""
    engines = {"remote": RemoteStore, "embedded": OwnerClient}
    source = engines["embedded" if target == "remote" else "remote"]
    return [
        (engine_move, "_write_note"),
        *((engines[target], name) for name in ("upsert", "adopt")),
        (StoreFile, "write"),
        (engine_move, "write_location"),
        (AbandonedCopies, "add"),
        (source, "drop" if target == "embedded" else "adopt"),
        (engine_move, "_remove_note"),
    ]


class Killed(BaseException):
    """What a killed process feels: no handler of ours stops it."""


@pytest.mark.parametrize("step", range(8))
def test_a_move_that_is_killed_leaves_the_store_whole_and_is_finished_by_the_same_command(
    embedded: Settings, server: QdrantServer, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    settings = embedded
    for target in ("remote", "embedded"):
        owner, name = steps_of(target)[step]
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, killing(getattr(owner, name), after=True))
            with pytest.raises(Killed):
                move_store(settings, target, url=server.url)
        assert whole(embedded), f"to {target}, after {name}"

        move_store(settings, target, url=server.url)
        settings = as_configured(embedded)
        assert settings.remote is (target == "remote"), f"to {target}, after {name}"
        assert whole(settings), f"to {target}, after {name}"
        assert is_empty(embedded, server.url if target == "embedded" else ""), f"to {target}, after {name}"
        assert notes_of(embedded) == []


def killing(step: Callable[..., object], *, after: bool, error: BaseException | None = None) -> Callable[..., object]:
    def killed(*arguments: object, **options: object) -> object:
        if after:
            step(*arguments, **options)
        raise error or Killed

    return killed


def test_a_move_that_was_killed_can_be_taken_back(
    embedded: Settings, server: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StoreFile, "write", killing(StoreFile.write, after=False))
        with pytest.raises(Killed):
            move_store(embedded, "remote", url=server.url)
    move_store(embedded, "embedded")

    assert whole(embedded)
    assert collections_of(server, embedded) == []


def test_a_move_that_was_killed_after_it_counted_names_its_command(
    embedded: Settings, server: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StoreFile, "write", killing(StoreFile.write, after=True))
        with pytest.raises(Killed):
            move_store(embedded, "remote", url=server.url)
    with (
        opened(embedded) as storage,
        pytest.raises(InitialisationError, match=r"Finish the interrupted move.*move --to remote"),
    ):
        storage.estate.count()
    move_store(embedded, "remote")

    assert whole(as_configured(embedded))


@pytest.mark.parametrize("damage", ["lost", "altered", "added", "turned"])
def test_a_copy_that_is_not_as_the_original_is_not_adopted(
    embedded: Settings, server: QdrantServer, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    upsert = RemoteStore.upsert

    def damaged(store: RemoteStore, collection: str, points: list[Point]) -> None:
        first, *others = points
        altered = {
            "lost": [],
            "altered": [type(first)(first.id, {**first.payload, "data": "x"}, first.dense, first.sparse)],
            "added": [first, type(first)("00000000-0000-4000-8000-000000000000", {}, first.dense)],
            "turned": [
                type(first)(first.id, first.payload, (-np.frombuffer(first.dense, np.float32)).tobytes(), first.sparse)
            ],
        }[damage]
        upsert(store, collection, [*altered, *others] if collection.startswith("aws_estate") else points)

    monkeypatch.setattr(RemoteStore, "upsert", damaged)
    with pytest.raises(StorageError, match="the copy of aws_estate differs from the original"):
        move_store(embedded, "remote", url=server.url)
    assert whole(embedded)
    assert header_of(StoreFile(embedded.data_path)).engine == "embedded"
    assert (notes_of(embedded), collections_of(server, embedded)) == ([], [])


def test_collections_of_another_store_are_never_taken(embedded: Settings, server: QdrantServer, tmp_path: Path) -> None:
    given = {"data_path": tmp_path / "other", "key_file": tmp_path / "other.key"}
    prefix = embedded.qdrant_prefix
    other = Settings(**given, qdrant_url=server.url, qdrant_api_key=SecretStr(API_KEY), qdrant_prefix=prefix)
    with opened(other) as storage:
        storage.estate.upsert(HOSTS, scan_id="scan-1")
        with pytest.raises(InitialisationError, match="it does not belong to this store"):
            move_store(embedded, "remote", url=server.url)
        assert storage.estate.count() == 3
    assert whole(embedded)


def test_a_failed_move_does_not_prevent_another_one(embedded: Settings, server: QdrantServer) -> None:
    taken = RemoteStore(server.url, SecretStr(API_KEY), embedded.qdrant_prefix, HostState(embedded.data_path.parent))
    taken.count("chat_history", EVERY_POINT)
    before = set(server.collections)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
    for url, failure in ((nowhere, "Connection refused"), (server.url, "it does not belong to this store")):
        with pytest.raises(StorageError, match=failure):
            move_store(embedded, "remote", url=url)
        assert set(server.collections) == before
        assert notes_of(embedded) == []

    assert move_store(embedded, "embedded").problems == ()
    other = embedded.model_copy(update={"qdrant_prefix": f"{embedded.qdrant_prefix}other_"})
    assert move_store(embedded, "remote", url=server.url, prefix=other.qdrant_prefix).points["aws_estate"] == 3
    assert whole(other)
    with pytest.raises(StorageError, match="Move it to embedded first"):
        move_store(as_configured(other), "remote", prefix="a_third_")
    taken.close()


def gone(_: str) -> None:
    raise RefusedError(418, "gone")


@pytest.mark.parametrize("step", ["upsert", "adopt"])
def test_an_unfinished_copy_on_a_server_that_is_gone_is_said_and_cleared_by_a_later_move(
    embedded: Settings, server: QdrantServer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RemoteStore, step, killing(getattr(RemoteStore, step), after=True))
        with pytest.raises(Killed):
            move_store(embedded, "remote", url=server.url)
    server.before = gone
    for _ in range(2):
        (problem,) = move_store(embedded, "embedded").problems
        assert f"An old copy of the store is still on the Qdrant server {server.url}: " in problem
        assert "\n" not in problem
        assert notes_of(embedded) == ["left_behind.json"]
        assert whole(embedded)

    server.before = lambda _: None
    assert move_store(embedded, "embedded").problems == ()
    assert (notes_of(embedded), collections_of(server, embedded)) == ([], [])


def test_a_server_that_stops_after_the_store_has_left_it_is_cleared_later(
    embedded: Settings, server: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_store(embedded, "remote", url=server.url)
    write = StoreFile.write

    def write_and_go(*arguments: Any) -> None:
        write(*arguments)
        server.before = gone

    with monkeypatch.context() as patch:
        patch.setattr(StoreFile, "write", write_and_go)
        assert len(move_store(as_configured(embedded), "embedded").problems) == 1
    assert whole(as_configured(embedded))
    server.before = lambda _: None

    beside = server.url.replace("127.0.0.1", "localhost")
    with monkeypatch.context() as patch:
        patch.setattr(
            abandoned_copies, "_clear", killing(abandoned_copies._clear, after=False, error=StorageError("gone"))
        )
        move_store(as_configured(embedded), "remote", url=beside)
    assert move_store(as_configured(embedded), "remote").problems == ()
    assert whole(as_configured(embedded))
    move_store(as_configured(embedded), "embedded")
    assert whole(as_configured(embedded))
    assert (notes_of(embedded), collections_of(server, embedded)) == ([], [])


def test_a_store_that_is_in_use_stays(embedded: Settings, server: QdrantServer) -> None:
    with opened(embedded) as storage:
        storage.estate.count()
        with pytest.raises(StoreUnavailableError, match="another program has it open"):
            move_store(embedded, "remote", url=server.url)


def test_what_cannot_be_moved_is_refused(embedded: Settings, server: QdrantServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no server is named"):
        move_store(embedded, "remote")
    with pytest.raises(InitialisationError, match="there is none"):
        move_store(embedded.model_copy(update={"data_path": tmp_path / "nowhere"}), "remote", url=server.url)
    move_store(embedded, "remote", url=server.url)
    with pytest.raises(StorageError, match="Move it to embedded first"):
        move_store(as_configured(embedded), "remote", url="https://qdrant.example.com")


def test_the_configuration_keeps_its_comments_and_stays_private(embedded: Settings, server: QdrantServer) -> None:
    config = embedded.data_path / "config.toml"
    text = (
        '# mine\nregions = ["eu-west-1"]  # all we use\n\n[qdrant]\n# short\nidle_seconds = 5.0\n\n[s3]\nbucket = "b"\n'
    )
    config.write_text(text)
    move_store(embedded, "remote", url=server.url)
    changed = config.read_text()
    move_store(as_configured(embedded), "embedded")

    assert [line for line in changed.splitlines() if line not in text.splitlines()] == [
        f'url = "{server.url}"',
        f'prefix = "{embedded.qdrant_prefix}"',
    ]
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert config.read_text().replace(f'prefix = "{embedded.qdrant_prefix}"\n', "") == text
    assert API_KEY not in changed
