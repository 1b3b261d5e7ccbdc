"""Conversations: encrypted messages in order, shared by all notebook kernels that use a data path."""

from __future__ import annotations

import time
import uuid
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.encryption.sealed_data import open_sealed, plain_fields, readable, seal
from cloudops_nb.storage.engines.schema import CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import AnyOf, Below, Patch, Point, PointFilter
from cloudops_nb.storage.estate.lexicon import folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.storage.encryption.blind_index import BlindIndex
    from cloudops_nb.storage.engines.vector_store import StoredRow, Value, VectorStore
    from cloudops_nb.storage.vault import Vault

Role = Literal["user", "assistant", "system"]

#: The same vector for every point: Qdrant requires a vector, but conversations are found by filters only.
_VECTOR = array("f", [1.0]).tobytes()
_MESSAGE = AnyOf("kind", ["message"])
_CONVERSATION = AnyOf("kind", ["conversation"])
_MESSAGE_FIELDS = ("context", "index", "role", "at", "data")
_CONVERSATION_FIELDS = ("context", "created", "at", "data")
_SNIPPET_MARGIN = 60


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``index`` counts from 0 within the conversation, and ``at`` is in UTC."""

    id: str
    conversation: str
    index: int
    role: str
    content: str
    metadata: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation; ``messages`` is the number of its messages, and the times are in UTC."""

    name: str
    title: str
    messages: int
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class ChatHit:
    """A message that contains every searched word, and the part of the message around the first searched word."""

    message: Message
    snippet: str


class ChatStore:
    """Conversations and their messages; safe for several threads and kernels at once.

    Each message is a point, and each conversation has one more point, which holds its name, title and times. The name
    of a conversation is any text; the vector store sees only the name's blind value (a keyed hash). The vector store
    numbers the messages, so two kernels that write to one conversation never get the same number. A message that
    :meth:`append` returned survives the crash of any process, and half a second later also a power cut. Methods raise
    :class:`~cloudops_nb.errors.StorageError` or a subclass.
    """

    def __init__(self, store: VectorStore, vault: Vault) -> None:
        self._engine = store
        self._indexes_checked = False
        self._envelope = vault.envelope
        self._blind_index = vault.blind_index

    def append(self, conversation: str, role: Role, content: str, metadata: Mapping[str, Any] | None = None) -> Message:
        """Add a message to the end of a conversation; the first message creates the conversation.

        Raises:
            StorageError: The role is unknown.
        """
        if role not in get_args(Role):
            raise StorageError("cannot store the message", f"there is no role {role}", "Use user, assistant or system.")
        # The vector store may change a number's last bit; a time rounded to microseconds is still read back unchanged.
        now, message_id = round(time.time(), 6), str(uuid.uuid4())
        private = {
            "conversation": conversation,
            "role": role,
            "at": now,
            "content": content,
            "metadata": dict(metadata or {}),
        }
        payload = {"kind": "message", "context": self._context(conversation), "role": role, "at": now}
        payload["data"] = seal(self._envelope, private, CHAT_HISTORY, message_id, payload)
        point = Point(message_id, payload, _VECTOR)
        # Update the conversation before adding the message: expire() in another kernel then keeps the conversation.
        self._touch(conversation, now)
        index = self._store.append(CHAT_HISTORY.name, point, group="context", sequence="index")
        return Message(message_id, conversation, index, role, content, dict(metadata or {}), _time(now))

    def history(self, conversation: str, limit: int = 100) -> list[Message]:
        """Return the last messages of a conversation, oldest first.

        Raises:
            StorageError: ``limit`` is not a positive number.
        """
        if limit < 1:
            raise StorageError("cannot read the history", f"the limit is {limit}", "Give a limit of 1 or more.")
        where = PointFilter([_MESSAGE, self._in(conversation)])
        rows = self._store.newest(CHAT_HISTORY.name, where, _MESSAGE_FIELDS, order="index", limit=limit)
        # A damaged index returns rows in a wrong order, or a row several times. A message that was moved here from
        # another conversation is not a part of this one.
        found = [message for message in readable(rows, self._message) if message.conversation == conversation]
        return sorted({message.id: message for message in found}.values(), key=lambda message: message.index)

    def conversations(self) -> list[Conversation]:
        """Return every conversation, the most recently updated first (requirement S7)."""
        counts = self._store.facet(CHAT_HISTORY.name, "context", PointFilter([_MESSAGE]))
        rows = self._store.rows(CHAT_HISTORY.name, PointFilter([_CONVERSATION]), _CONVERSATION_FIELDS)
        found = readable(rows, lambda row: self._conversation(row, counts))
        return sorted(found, key=lambda conversation: conversation.updated, reverse=True)

    def retitle(self, conversation: str, title: str) -> None:
        """Set a conversation's title; if the conversation does not exist, create it empty (requirement S7)."""
        self._touch(conversation, time.time(), title)

    def delete(self, conversation: str) -> int:
        """Delete a conversation; returns the number of deleted messages (requirement S7)."""
        where = self._in(conversation)
        messages = self._store.delete(CHAT_HISTORY.name, PointFilter([_MESSAGE, where]))
        self._store.delete(CHAT_HISTORY.name, PointFilter([where]))
        return messages

    def expire(self, before: datetime) -> int:
        """Delete the conversations that were last updated before a time; returns how many were deleted.

        A message that was added after that time, even during this call, is never deleted.
        """
        old = Below("at", before.timestamp())
        unused = PointFilter([_CONVERSATION, old])
        rows = self._store.rows(CHAT_HISTORY.name, unused, ("context",))
        contexts = [row.payload["context"] for row in rows if "context" in row.payload]
        return sum(self._delete_if_unused(AnyOf("context", [context]), old) for context in contexts)

    def _delete_if_unused(self, context: AnyOf, old: Below) -> bool:
        """Delete a conversation if it is still old: its old messages, then its point; returns false if it is not."""
        unused = PointFilter([_CONVERSATION, context, old])
        if not self._store.count(CHAT_HISTORY.name, unused):
            return False
        # Delete the conversation's point last: if the process is killed before that, the next expire() finds the point.
        self._store.delete(CHAT_HISTORY.name, PointFilter([_MESSAGE, context, old]))
        return bool(self._store.delete(CHAT_HISTORY.name, unused))

    def search(self, text: str, limit: int = 20) -> list[ChatHit]:
        """Return the newest messages that contain every word of ``text``, ignoring case (requirement S7).

        A search decrypts every message, because messages have no search index.
        """
        words = folded(text).split()
        hits = [ChatHit(message, _snippet(message.content, words[0])) for message in self._messages_containing(words)]
        return sorted(hits, key=lambda hit: hit.message.at, reverse=True)[:limit]

    def _messages_containing(self, words: list[str]) -> Iterator[Message]:
        if not words:
            return
        for message in readable(
            self._store.rows(CHAT_HISTORY.name, PointFilter([_MESSAGE]), _MESSAGE_FIELDS), self._message
        ):
            content = folded(message.content)
            if all(word in content for word in words):
                yield message

    def _touch(self, conversation: str, now: float, title: str | None = None) -> None:
        """Set the time and (if given) the title in a conversation's point; if there is no point, create it."""
        point_id = conversation_point(self._blind_index, conversation)
        private = {"name": conversation, "title": title or ""}
        sealed = seal(self._envelope, private, CHAT_HISTORY, point_id, {})
        payload: dict[str, Any] = {"at": now}
        if title is not None:
            payload["data"] = sealed
        missing_ids = self._store.patch(CHAT_HISTORY.name, [Patch([point_id], payload)])
        if missing_ids:
            payload = {
                "kind": "conversation",
                "context": self._context(conversation),
                "created": now,
                "at": now,
                "data": sealed,
            }
            self._store.upsert(CHAT_HISTORY.name, [Point(point_id, payload, _VECTOR)])

    @property
    def _store(self) -> VectorStore:
        """The vector store, after it has mended damaged indexes of the messages."""
        if not self._indexes_checked:
            self._engine.mend_indexes(CHAT_HISTORY.name)
            self._indexes_checked = True
        return self._engine

    def _context(self, conversation: str) -> str:
        return conversation_blind(self._blind_index, conversation)

    def _in(self, conversation: str) -> AnyOf:
        return AnyOf("context", [self._context(conversation)])

    def _message(self, row: StoredRow) -> Message:
        # The role and the time come from the envelope, because the payload is not authenticated. Messages of earlier
        # versions have them in the payload only.
        private, payload = open_sealed(self._envelope, row, CHAT_HISTORY), row.payload
        with plain_fields(self._envelope, CHAT_HISTORY):
            return Message(
                id=row.id,
                conversation=private["conversation"],
                index=int(payload["index"]),
                role=private.get("role", payload["role"]),
                content=private["content"],
                metadata=private["metadata"],
                at=_time(private.get("at", payload["at"])),
            )

    def _conversation(self, row: StoredRow, counts: Mapping[Value, int]) -> Conversation:
        private = open_sealed(self._envelope, row, CHAT_HISTORY)
        with plain_fields(self._envelope, CHAT_HISTORY):
            messages = counts.get(row.payload["context"], 0)
            created, updated = _time(row.payload["created"]), _time(row.payload["at"])
        return Conversation(private["name"], private["title"], messages, created, updated)


def conversation_point(blind_index: BlindIndex, conversation: str) -> str:
    """Return the id of the point that holds a conversation's name and title."""
    return blind_index.point_id(f"conversation|{conversation}")


def conversation_blind(blind_index: BlindIndex, conversation: str) -> str:
    """Return the blind value of a conversation's name."""
    return blind_index.blind("conversation", conversation)


def _time(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _snippet(content: str, word: str) -> str:
    """Return the part of a text around a word, with an ellipsis at each cut."""
    # The word is in normalised form (NFKC), so find() may miss it; the snippet then shows the beginning of the text.
    position = max(content.casefold().find(word), 0)
    start, end = max(position - _SNIPPET_MARGIN, 0), position + len(word) + _SNIPPET_MARGIN
    inner = " ".join(content[start:end].split())
    return f"{'…' if start else ''}{inner}{'…' if end < len(content) else ''}"
