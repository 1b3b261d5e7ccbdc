"""Retiring an engine: what it acknowledged was written before, and nothing is written afterwards."""

from __future__ import annotations

import threading
import uuid
from array import array
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import InitialisationError, StoreUnavailableError
from cloudops_nb.storage.engines.owner import owner_client as client_module
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.engines.owner.owner_connection import connect_to_owner
from cloudops_nb.storage.engines.retirement import Retirement
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Point
from tests.storage.conftest import ended_owners
from tests.waiting import DEADLINE_SECONDS, until

if TYPE_CHECKING:
    from pathlib import Path

CHAT = "chat_history"


def refused(retirement: Retirement) -> bool:
    try:
        with retirement.operation():
            return False
    except StoreUnavailableError:
        return True


@pytest.mark.fast
def test_operations_of_other_threads_are_waited_for_and_new_ones_refused() -> None:
    retirement, let_go, events = Retirement(), threading.Event(), []
    begun = threading.Event()

    def operate() -> None:
        with retirement.operation():
            begun.set()
            let_go.wait(DEADLINE_SECONDS)
            events.append("ended")

    def retire() -> None:
        retirement.retire(DEADLINE_SECONDS)
        events.append("retired")

    threads = [threading.Thread(target=operate), threading.Thread(target=retire)]
    threads[0].start()
    assert begun.wait(DEADLINE_SECONDS)
    threads[1].start()
    until(lambda: refused(retirement), "the refusal")
    let_go.set()
    for thread in threads:
        thread.join()

    assert events == ["ended", "retired"]
    assert refused(retirement)


@pytest.mark.fast
def test_an_operation_that_does_not_end_is_said_and_the_others_go_on() -> None:
    retirement, let_go, begun = Retirement(), threading.Event(), threading.Event()

    def operate() -> None:
        with retirement.operation():
            begun.set()
            let_go.wait(DEADLINE_SECONDS)

    thread = threading.Thread(target=operate)
    thread.start()
    assert begun.wait(DEADLINE_SECONDS)
    with pytest.raises(StoreUnavailableError, match="an operation in another thread did not end"):
        retirement.retire(0.0)
    assert not refused(retirement)
    let_go.set()
    thread.join()
    retirement.retire(0.0)
    assert refused(retirement)


def test_a_write_that_is_connecting_while_the_store_is_retired_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, connect = OwnerClient(tmp_path, idle_seconds=30), connect_to_owner
    connecting, let_go = threading.Event(), threading.Event()
    outcomes: list[str] = []

    def slow_connect(paths: Any) -> Any:
        connecting.set()
        let_go.wait(DEADLINE_SECONDS)
        return connect(paths)

    def write() -> None:
        try:
            client.upsert(CHAT, [Point(str(uuid.uuid4()), {"context": "c"}, array("f", [1.0]).tobytes())])
            outcomes.append("acknowledged")
        except StoreUnavailableError:
            outcomes.append("refused")

    def retire() -> None:
        client.retire()
        outcomes.append("retired")

    with ended_owners(tmp_path):
        assert client.count(CHAT, EVERY_POINT) == 0
        client.close()
        monkeypatch.setattr(client_module, "connect_to_owner", slow_connect)
        threads = [threading.Thread(target=write), threading.Thread(target=retire)]
        threads[0].start()
        assert connecting.wait(DEADLINE_SECONDS)
        threads[1].start()
        until(lambda: refused(client._retirement), "the refusal")
        let_go.set()
        for thread in threads:
            thread.join()

        assert outcomes == ["refused", "retired"]
        again = OwnerClient(tmp_path, idle_seconds=30)
        assert again.count(CHAT, EVERY_POINT) == 0
        again.close()


@pytest.mark.fast
def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "qdrant").touch()
    with pytest.raises(InitialisationError, match=r"cannot lock .*start\.lock") as raised:
        OwnerClient(tmp_path, idle_seconds=1).count(CHAT, EVERY_POINT)
    assert "\n" not in str(raised.value)
