"""The bytes of a store's files that are in use, by kind of file.

SQLite's own statistics tell the pages of each table, and the page's header tells which of its bytes are in use
(https://www.sqlite.org/fileformat2.html#b_tree_pages). The engine's files are preallocated: a run of zeros longer than
:data:`_PADDING` counts as unused, except for the flags of existing points, which are zeros.
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from cloudops_nb.storage.files.store_file import HEAD_NAME, JOURNAL_NAME, STORE_NAME

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Kind = Literal["journal", "scan state", "estate shard", "chat shard", "small files"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: The stores of which copies are damaged: one was closed in order, and of one every program was killed.
Origin = Literal["closed", "killed"]
#: The longest run of zeros between used bytes of one of the engine's files.
_PADDING = 32
#: The bytes of the engine's flags that belong to the sample's points, one bit per point.
_FLAG_BYTES = 4
_SHARDS: dict[Kind, str] = {"estate shard": "aws_estate", "chat shard": "chat_history"}
_LEAF_TABLE, _LEAF_INDEX = 13, 10


class Place(NamedTuple):
    """One bit in a file of a store; ``path`` is relative to the folder with the store and its key."""

    origin: Origin
    path: str
    offset: int
    bit: int


class Span(NamedTuple):
    """Bytes of a file that are in use: from ``start`` up to, and without, ``end``."""

    origin: Origin
    path: str
    start: int
    end: int


def flip(folder: Path, place: Place) -> None:
    """Flip the bit in a copy of the store."""
    with (folder / place.path).open("r+b") as stream:
        stream.seek(place.offset)
        (byte,) = stream.read(1)
        stream.seek(place.offset)
        stream.write(bytes([byte ^ (1 << place.bit)]))


def choose(spans: Sequence[Span], count: int, chance: random.Random) -> list[Place]:
    """Choose bits: every second one in any file, so that small files are hit, and the others in any used byte."""
    files = sorted({(span.origin, span.path) for span in spans})
    places: list[Place] = []
    while len(places) < count:
        among = spans
        if len(places) % 2:
            chosen = chance.choice(files)
            among = [span for span in spans if (span.origin, span.path) == chosen]
        span = chance.choices(among, [each.end - each.start for each in among])[0]
        place = Place(span.origin, span.path, chance.randrange(span.start, span.end), chance.randrange(8))
        places += [place] if place not in places else []
    return places


def spans_of(kind: Kind, stores: dict[Origin, Path]) -> list[Span]:
    """Return the used bytes of a kind of file."""
    if kind == "small files":
        return list(_small_files(stores))
    if kind in _SHARDS:
        return list(_shard(stores, _SHARDS[kind]))
    return list(_database(stores, scan_state=kind == "scan state"))


def _small_files(stores: dict[Origin, Path]) -> Iterator[Span]:
    names = [f"store/{STORE_NAME}", f"store/{HEAD_NAME}", "store/config.toml", "key/encryption.key"]
    for name in names:
        yield Span("closed", name, 0, (stores["closed"] / name).stat().st_size)
    left_behind = "store/qdrant/owner.json"
    yield Span("killed", left_behind, 0, (stores["killed"] / left_behind).stat().st_size)


def _shard(stores: dict[Origin, Path], name: str) -> Iterator[Span]:
    for origin, folder in stores.items():
        for path in sorted((folder / "store" / "qdrant" / name).rglob("*")):
            # A closed store has written everything to its segments, and a killed one still needs its write-ahead log.
            if path.is_file() and ("/wal/" in str(path)) == (origin == "killed"):
                for start, end in _used(path):
                    yield Span(origin, str(path.relative_to(folder)), start, end)


def _used(path: Path) -> Iterator[tuple[int, int]]:
    if path.name.startswith("flags_"):
        yield 0, _FLAG_BYTES
        return
    for match in re.finditer(rb"[^\0](?:\0{0,%d}[^\0])*" % _PADDING, path.read_bytes()):
        yield match.span()


def _database(stores: dict[Origin, Path], *, scan_state: bool) -> Iterator[Span]:
    path = f"store/{JOURNAL_NAME}"
    content = (stores["closed"] / path).read_bytes()
    connection = sqlite3.connect(stores["closed"] / path)
    try:
        pages = connection.execute("SELECT pageno, pgsize, name FROM dbstat").fetchall()
    finally:
        connection.close()
    for number, size, name in pages:
        if (name == "cells") == scan_state:
            for start, end in _used_of_page(content, (number - 1) * size, size, 100 if number == 1 else 0):
                yield Span("closed", path, start, end)
    if not scan_state:  # the write-ahead log holds whole pages of both
        log = f"{path}-wal"
        yield Span("killed", log, 0, (stores["killed"] / log).stat().st_size)


def _used_of_page(content: bytes, page: int, size: int, skipped: int) -> Iterator[tuple[int, int]]:
    """Yield the header with the cell pointers, and the cells; the free space is between them."""
    header = page + skipped
    kind = content[header]
    assert kind in (2, 5, _LEAF_INDEX, _LEAF_TABLE), "the sample has no overflow pages"
    cells, first = (int.from_bytes(content[header + at : header + at + 2]) for at in (3, 5))
    yield page, header + (8 if kind in (_LEAF_INDEX, _LEAF_TABLE) else 12) + 2 * cells
    if cells:
        yield page + first, page + size
