"""Conversations: who said what, in order, encrypted; shared by every kernel of a data path."""

from __future__ import annotations

import time
import uuid
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.encryption.sealed import open_sealed, seal
from cloudops_nb.storage.engines.schema import CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import AnyOf, Below, Patch, Point, PointFilter
from cloudops_nb.storage.estate.lexicon import folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.storage.encryption.blind_index import BlindIndex
    from cloudops_nb.storage.engines.vector_store import StoredRow, VectorStore
    from cloudops_nb.storage.vault import Vault

Role = Literal["user", "assistant", "system"]

#: The collection's vector says nothing: conversations are found by filter.
_VECTOR = array("f", [1.0]).tobytes()
_MESSAGE = AnyOf("kind", ["message"])
_CONVERSATION = AnyOf("kind", ["conversation"])
_MESSAGE_FIELDS = ("context", "index", "role", "at", "data")
_CONVERSATION_FIELDS = ("context", "created", "at", "data")
_SNIPPET_MARGIN = 60


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as it was said; ``index`` counts from 0 within the conversation, ``at`` is in UTC."""

    id: str
    conversation: str
    index: int
    role: str
    content: str
    metadata: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation: its name, title, number of messages, and times (UTC)."""

    name: str
    title: str
    messages: int
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class ChatHit:
    """A message that holds every word looked for, and the part of it round the first one."""

    message: Message
    snippet: str


class ChatStore:
    """Messages by conversation; safe from several threads and kernels at once.

    A conversation is any name; the store sees it blinded. Numbers are given by the owner process, so two kernels that
    write to one conversation never get the same. What :meth:`append` returned survives the crash of any process, and
    half a second later a power cut. Methods raise :class:`~cloudops_nb.errors.StorageError` or a subclass.
    """

    def __init__(self, store: VectorStore, vault: Vault) -> None:
        self._store = store
        self._envelope = vault.envelope
        self._blind_index = vault.blind_index

    def append(self, conversation: str, role: Role, content: str, metadata: Mapping[str, Any] | None = None) -> Message:
        """Add a message to the end of a conversation, which begins with its first.

        Raises:
            StorageError: The role is unknown.
        """
        if role not in get_args(Role):
            raise StorageError("the message was not kept", f"there is no role {role}", "Use user, assistant or system.")
        # The engine may change a number's last bit; one of whole microseconds still comes back as the same time.
        now, message_id = round(time.time(), 6), str(uuid.uuid4())
        kept = {"conversation": conversation, "content": content, "metadata": dict(metadata or {})}
        payload = {
            "kind": "message",
            "context": self._context(conversation),
            "role": role,
            "at": now,
            "data": seal(self._envelope, kept, CHAT_HISTORY, message_id),
        }
        point = Point(message_id, payload, _VECTOR)
        # Before the message, so that whoever is expiring conversations meanwhile finds this one in use.
        self._touch(conversation, now)
        index = self._store.append(CHAT_HISTORY.name, point, group="context", sequence="index")
        return Message(message_id, conversation, index, role, content, dict(metadata or {}), _time(now))

    def history(self, conversation: str, limit: int = 100) -> list[Message]:
        """Return the last messages of a conversation, the oldest of them first.

        Raises:
            StorageError: ``limit`` is not a positive number.
        """
        if limit < 1:
            raise StorageError("the history was not read", f"the limit is {limit}", "Ask for one message or more.")
        where = PointFilter([_MESSAGE, self._in(conversation)])
        rows = self._store.newest(CHAT_HISTORY.name, where, _MESSAGE_FIELDS, order="index", limit=limit)
        return [self._message(row) for row in reversed(rows)]

    def conversations(self) -> list[Conversation]:
        """Return every conversation, the one that was last written to first."""
        counts = self._store.facet(CHAT_HISTORY.name, "context", PointFilter([_MESSAGE]))
        rows = self._store.rows(CHAT_HISTORY.name, PointFilter([_CONVERSATION]), _CONVERSATION_FIELDS)
        found = [self._conversation(row, counts.get(row.payload["context"], 0)) for row in rows]
        return sorted(found, key=lambda conversation: conversation.updated, reverse=True)

    def retitle(self, conversation: str, title: str) -> None:
        """Give a conversation a title; one that does not exist begins empty."""
        self._touch(conversation, time.time(), title)

    def delete(self, conversation: str) -> int:
        """Delete a conversation; returns how many messages it had."""
        where = self._in(conversation)
        messages = self._store.delete(CHAT_HISTORY.name, PointFilter([_MESSAGE, where]))
        self._store.delete(CHAT_HISTORY.name, PointFilter([where]))
        return messages

    def expire(self, before: datetime) -> int:
        """Delete the conversations that nobody wrote to since a time; returns how many there were.

        A message said since then is never deleted, whoever says it meanwhile.
        """
        old = Below("at", before.timestamp())
        unused = PointFilter([_CONVERSATION, old])
        contexts = [row.payload["context"] for row in self._store.rows(CHAT_HISTORY.name, unused, ("context",))]
        return sum(self._expired(AnyOf("context", [context]), old) for context in contexts)

    def _expired(self, context: AnyOf, old: Below) -> bool:
        """Delete what is old of a conversation, unless somebody has written to it again."""
        unused = PointFilter([_CONVERSATION, context, old])
        if not self._store.count(CHAT_HISTORY.name, unused):
            return False
        # The conversation's own point goes last: whoever is killed in between leaves it to be found again.
        self._store.delete(CHAT_HISTORY.name, PointFilter([_MESSAGE, context, old]))
        return bool(self._store.delete(CHAT_HISTORY.name, unused))

    def search(self, text: str, limit: int = 20) -> list[ChatHit]:
        """Return the newest messages that hold every word of a text, without regard to case.

        Every message is opened for it: the store knows no word of them.
        """
        wanted = folded(text).split()
        hits = [ChatHit(message, _snippet(message.content, wanted[0])) for message in self._holding(wanted)]
        return sorted(hits, key=lambda hit: hit.message.at, reverse=True)[:limit]

    def _holding(self, wanted: list[str]) -> Iterator[Message]:
        if not wanted:
            return
        for row in self._store.rows(CHAT_HISTORY.name, PointFilter([_MESSAGE]), _MESSAGE_FIELDS):
            message = self._message(row)
            content = folded(message.content)
            if all(word in content for word in wanted):
                yield message

    def _touch(self, conversation: str, now: float, title: str | None = None) -> None:
        """Renew a conversation's own point, which is made when it is missing."""
        point_id = conversation_point(self._blind_index, conversation)
        kept = {"name": conversation, "title": title or ""}
        payload: dict[str, Any] = {"at": now}
        if title is not None:
            payload["data"] = seal(self._envelope, kept, CHAT_HISTORY, point_id)
        if self._store.patch(CHAT_HISTORY.name, [Patch([point_id], payload)]):
            payload = {
                "kind": "conversation",
                "context": self._context(conversation),
                "created": now,
                "at": now,
                "data": seal(self._envelope, kept, CHAT_HISTORY, point_id),
            }
            self._store.upsert(CHAT_HISTORY.name, [Point(point_id, payload, _VECTOR)])

    def _context(self, conversation: str) -> str:
        return conversation_blind(self._blind_index, conversation)

    def _in(self, conversation: str) -> AnyOf:
        return AnyOf("context", [self._context(conversation)])

    def _message(self, row: StoredRow) -> Message:
        kept, payload = open_sealed(self._envelope, row, CHAT_HISTORY), row.payload
        return Message(
            id=row.id,
            conversation=kept["conversation"],
            index=payload["index"],
            role=payload["role"],
            content=kept["content"],
            metadata=kept["metadata"],
            at=_time(payload["at"]),
        )

    def _conversation(self, row: StoredRow, messages: int) -> Conversation:
        kept = open_sealed(self._envelope, row, CHAT_HISTORY)
        created, updated = _time(row.payload["created"]), _time(row.payload["at"])
        return Conversation(kept["name"], kept["title"], messages, created, updated)


def conversation_point(blind_index: BlindIndex, conversation: str) -> str:
    """Return the id of a conversation's own point."""
    return blind_index.point_id(f"conversation|{conversation}")


def conversation_blind(blind_index: BlindIndex, conversation: str) -> str:
    """Return the blind value of a conversation's name."""
    return blind_index.blind("conversation", conversation)


def _time(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _snippet(content: str, word: str) -> str:
    """Return the part of a text round a word, with ellipses where it was cut."""
    place = max(content.casefold().find(word), 0)
    start, end = max(place - _SNIPPET_MARGIN, 0), place + len(word) + _SNIPPET_MARGIN
    inner = " ".join(content[start:end].split())
    return f"{'…' if start else ''}{inner}{'…' if end < len(content) else ''}"
