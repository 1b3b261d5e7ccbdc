"""Conversations: in order with several writers, searchable, unreadable on disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.engines.vector_store import Patch, PointFilter
from cloudops_nb.storage.facade import StorageService
from tests.embedders import no_embedder
from tests.storage.conftest import WordEmbedder, both_engines

if TYPE_CHECKING:
    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.engines.vector_store import StoredRow

pytestmark = both_engines


def test_a_message_comes_back_as_it_was_said(storage: StorageService) -> None:
    metadata = {"resources": ["arn:aws:s3:::logs"], "plan": None, "bytes_sent": 120}
    said = storage.chat.append("incident", "user", "stop pg-main1\n\tnow ☂", metadata)

    assert storage.chat.history("incident") == [said]
    assert (said.index, said.role, said.content, said.metadata) == (0, "user", "stop pg-main1\n\tnow ☂", metadata)
    assert said.at - datetime.now(UTC) < timedelta(minutes=1)


def test_every_message_comes_back_with_the_time_it_was_given(storage: StorageService) -> None:
    said = [storage.chat.append("one", "user", str(number)) for number in range(60)]

    assert storage.chat.history("one") == said


def test_history_is_the_last_messages_in_order_of_one_conversation(storage: StorageService) -> None:
    for number in range(7):
        storage.chat.append("one", "user" if number % 2 else "assistant", f"message {number}")
        storage.chat.append("two", "system", "other")

    assert [message.content for message in storage.chat.history("one", limit=3)] == [
        "message 4",
        "message 5",
        "message 6",
    ]
    assert [message.index for message in storage.chat.history("one")] == list(range(7))
    assert storage.chat.history("unheard of") == []


def test_an_unknown_role_is_refused(storage: StorageService) -> None:
    wizard: Any = "wizard"
    with pytest.raises(StorageError, match="there is no role wizard"):
        storage.chat.append("one", wizard, "abracadabra")
    assert storage.chat.history("one") == []


def test_two_kernels_never_give_a_message_the_same_number(
    storage: StorageService, key_settings: Settings, embedder: WordEmbedder
) -> None:
    def talk(service: StorageService, name: str) -> None:
        for number in range(25):
            service.chat.append("shared", "user", f"{name} {number}")

    with StorageService(key_settings, lambda: embedder) as other:
        services = [(storage, "a"), (storage, "b"), (other, "c"), (other, "d")]
        threads = [Thread(target=talk, args=pair) for pair in services]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    history = storage.chat.history("shared", limit=200)
    assert [message.index for message in history] == list(range(100))
    for name in "abcd":
        said = [message.content for message in history if message.content.startswith(name)]
        assert said == [f"{name} {number}" for number in range(25)]


def test_conversations_come_newest_first_with_title_and_count(storage: StorageService) -> None:
    storage.chat.append("old", "user", "a")
    storage.chat.append("new", "user", "b")
    storage.chat.append("new", "assistant", "c")
    storage.chat.retitle("old", "The old one")
    storage.chat.append("new", "user", "d")
    found = storage.chat.conversations()

    assert [(one.name, one.title, one.messages) for one in found] == [("new", "", 3), ("old", "The old one", 1)]
    assert all(one.created <= one.updated for one in found)


def test_deleting_a_conversation_leaves_the_others_and_starts_it_again(storage: StorageService) -> None:
    for name in ("gone", "gone", "kept"):
        storage.chat.append(name, "user", "hello")

    assert storage.chat.delete("gone") == 2
    assert storage.chat.delete("gone") == 0
    assert [one.name for one in storage.chat.conversations()] == ["kept"]
    assert storage.chat.append("gone", "user", "again").index == 0


def test_conversations_without_new_messages_expire(storage: StorageService) -> None:
    storage.chat.append("old", "user", "hello")
    between = datetime.now(UTC)
    storage.chat.append("new", "user", "hello")

    assert storage.chat.expire(between) == 1
    assert [one.name for one in storage.chat.conversations()] == ["new"]
    assert storage.chat.history("old") == []


def test_search_finds_messages_that_hold_every_word(storage: StorageService) -> None:
    long = "x " * 100 + "the Payments database was stopped because of the migration " + "y " * 100
    storage.chat.append("one", "assistant", long)
    storage.chat.append("two", "user", "payments only")
    (hit,) = storage.chat.search("DATABASE payments")

    assert hit.message.content == long
    assert "the Payments database was stopped" in hit.snippet
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("…")
    assert len(hit.snippet) < 150
    assert [hit.message.conversation for hit in storage.chat.search("payments")] == ["two", "one"]
    assert storage.chat.search("payments", limit=1)[0].message.conversation == "two"
    assert storage.chat.search("  ") == []


def test_a_message_moved_to_another_row_is_skipped_and_counted(storage: StorageService) -> None:
    storage.chat.append("one", "user", "secret plan")
    storage.chat.append("one", "user", "other plan")
    messages = [
        row
        for row in storage.vector_store.rows("chat_history", PointFilter(), ("data", "role"))
        if "role" in row.payload
    ]
    storage.vector_store.patch("chat_history", [Patch([messages[0].id], {"data": messages[1].payload["data"]})])

    (left,) = storage.chat.history("one")
    assert left.id == messages[1].id
    assert [hit.message.id for hit in storage.chat.search("plan")] == [messages[1].id]
    assert storage.vault.envelope.alarm.failures >= 1


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_asks_for_nothing_is_refused(storage: StorageService, limit: int) -> None:
    with pytest.raises(StorageError, match=f"the limit is {limit}"):
        storage.chat.history("one", limit=limit)


def test_a_message_said_while_its_conversation_expires_is_kept(
    storage: StorageService, key_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.chat.append("busy", "user", "long ago")
    storage.chat.retitle("busy", "Title")
    storage.chat.append("unused", "user", "long ago")
    between = datetime.now(UTC)
    listed = storage.chat._store.rows

    def interrupted_by_another_kernel(*arguments: Any) -> list[StoredRow]:
        rows = list(listed(*arguments))
        with StorageService(key_settings, no_embedder) as other:
            other.chat.append("busy", "user", "now")
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(storage.chat._store, "rows", interrupted_by_another_kernel)
        assert storage.chat.expire(between) == 1

    assert [message.content for message in storage.chat.history("busy")] == ["long ago", "now"]
    assert [(one.name, one.title) for one in storage.chat.conversations()] == [("busy", "Title")]


def test_a_message_that_has_only_just_been_kept_outlives_its_expired_conversation(
    storage: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.chat.append("busy", "user", "long ago")
    between = datetime.now(UTC)
    append, expired = storage.chat._store.append, []

    def expire_before_it_returns(*arguments: Any, **options: Any) -> int:
        index = append(*arguments, **options)
        expired.append(storage.chat.expire(between))
        return index

    with monkeypatch.context() as patch:
        patch.setattr(storage.chat._store, "append", expire_before_it_returns)
        said = storage.chat.append("busy", "user", "now")

    assert expired == [0]
    assert storage.chat.history("busy")[-1] == said


@pytest.mark.filterwarnings("ignore::cloudops_nb.errors.CloudOpsWarning")
@pytest.mark.parametrize(
    ("payload", "intact"),
    [({"at": 1e300}, True), ({"at": "then"}, True), ({"index": "x"}, False), ({"index": None}, False)],
)
def test_a_damaged_field_of_a_message_hides_no_other_message(
    storage: StorageService, payload: dict[str, Any], *, intact: bool
) -> None:
    """The time is also in the envelope, so damage outside it does not matter."""
    for number in range(3):
        storage.chat.append("c", "user", f"message {number}")
    lost = storage.chat.history("c")[1]
    storage.vector_store.patch("chat_history", [Patch([lost.id], payload)])

    found = {message.content for message in storage.chat.history("c")}
    assert found == ({"message 0", "message 1", "message 2"} if intact else {"message 0", "message 2"})
    assert storage.chat.conversations()[0].name == "c"
    assert storage.chat.search("message 0")
