"""Conversations and the journal: what a message costs at each promise, beside a plain insert into SQLite."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figure import Figure, median
from benchmarks.stores import new_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.storage.chat import ChatStore

TEXT = "What runs in production, what does it cost us, and who may stop it?"
LAST = 100
READS = 20


def run(*, quick: bool) -> Iterator[Figure]:
    """Milliseconds an append, a read of the last messages, and a deletion."""
    runs = 30 if quick else 200
    with new_storage() as (storage, _), tempfile.TemporaryDirectory() as folder:
        storage.chat.append("c", "user", TEXT)

        def append() -> None:
            storage.chat.append("c", "user", TEXT)

        def append_and_flush() -> None:
            append()
            storage.flush()

        ways = ("survives a crash", append, "NORMAL"), ("survives a power cut", append_and_flush, "FULL")
        for promise, ours, synchronous in ways:
            insert, name = _inserter(Path(folder), synchronous), f"SQLite insert, WAL, {synchronous}"
            safe = synchronous == "FULL"
            both: dict[str, Callable[[], object]] = {
                f"append a message that {promise}": ours,
                f"append to the journal, {promise}": partial(
                    storage.journal.append, "egress", "s", {"text": TEXT}, power_safe=safe
                ),
            }
            reference = _times(insert, runs)
            for label, work in both.items():
                yield Figure(label, median(_times(work, runs)), "ms", median(reference), name, runs=runs)
        conversations, messages = (20, 10) if quick else (1_000, 100)
        yield from _many(storage.chat, conversations, messages)


def _many(chat: ChatStore, conversations: int, messages: int) -> Iterator[Figure]:
    """Whether a store full of conversations is as quick as an empty one."""
    names = [f"conversation {number}" for number in range(conversations)]
    times = [_times(partial(chat.append, name, "user", TEXT), 1)[0] for _ in range(messages) for name in names]
    # What begins a conversation also makes its own point.
    counted = times[conversations:]
    slice_ = max(len(counted) // 100, 10)
    label = f"of {conversations:,} conversations of {messages}"
    first, last = median(counted[:slice_]), median(counted[-slice_:])
    yield Figure(f"append, the last 1 % {label}", last, "ms", first, "the first 1 %", runs=slice_)
    yield Figure(f"append, mean {label}", sum(times) / len(times), "ms", first, "the first 1 %", runs=len(times))
    reads = [_times(partial(chat.history, name, LAST), 1)[0] for name in names[:READS]]
    yield Figure(
        f"last {LAST} messages {label}",
        median(reads),
        "ms",
        median(_fetches(messages)),
        "SQLite select",
        runs=len(reads),
    )
    deletions = [_times(partial(chat.delete, name), 1)[0] for name in names[:READS]]
    yield Figure(f"delete one {label}", median(deletions), "ms", last, "one append", runs=len(deletions))


def _times(work: Callable[[], object], runs: int) -> list[float]:
    milliseconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        milliseconds.append((time.perf_counter() - start) * 1e3)
    return milliseconds


def _inserter(folder: Path, synchronous: str) -> Callable[[], object]:
    database = sqlite3.connect(folder / f"{synchronous}.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {synchronous}")
    database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, conversation TEXT, content TEXT)")
    return lambda: database.execute("INSERT INTO messages (conversation, content) VALUES (?, ?)", ("c", TEXT))


def _fetches(messages: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "reference.db")
        database.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, conversation TEXT, content TEXT)")
        database.executemany("INSERT INTO messages (conversation, content) VALUES (?, ?)", [("c", TEXT)] * messages)
        select = "SELECT * FROM messages WHERE conversation = ? ORDER BY id DESC LIMIT ?"
        times = _times(lambda: database.execute(select, ("c", LAST)).fetchall(), READS)
        database.close()
    return times
