"""The kinds and names of snapshots, and the record that holds a point in a snapshot.

A snapshot has the same name on the local disk and in S3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY
from cloudops_nb.storage.engines.vector_store import Point, Sparse

JOURNAL: Final = "journal"
#: Every kind of snapshot, in the order of backup and restore. The journal is first, because restoring the
#: estate also rewrites ``journal.db`` (it holds the scan state), and a damaged ``journal.db`` must be replaced before.
KINDS: Final = (JOURNAL, AWS_ESTATE.name, CHAT_HISTORY.name)
SUFFIX: Final = ".snapshot"
#: A snapshot that is dated further in the future is never the latest, because the clock that dated it was wrong.
MAX_CLOCK_LEAD: Final = timedelta(days=1)
#: Upper bound of a row's average size in bytes, vectors included; used to estimate the disk space needed.
ROW_BYTES: Final = 8_000
_TIME = "%Y-%m-%dT%H-%M-%S"
_NAME = re.compile(rf"({'|'.join(KINDS)})_(\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\d){re.escape(SUFFIX)}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot on the local disk or in S3: its kind, its name, its time (UTC), and its size in bytes."""

    kind: str
    name: str
    created: datetime
    bytes: int


def snapshot_name(kind: str, created: datetime) -> str:
    """Return the name of a snapshot, which contains the kind and the time in whole seconds."""
    return f"{kind}_{created.astimezone(UTC).strftime(_TIME)}{SUFFIX}"


def parse_name(name: str) -> tuple[str, datetime] | None:
    """Return the kind and time in a snapshot's name; ``None`` for any other name."""
    matched = _NAME.fullmatch(name)
    if matched is None:
        return None
    try:
        return matched[1], datetime.strptime(matched[2], _TIME).replace(tzinfo=UTC)
    except ValueError:  # the digits are not a valid time
        return None


def checked_kinds(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Return the given kinds in the order of :data:`KINDS`; every kind if none is given.

    Raises:
        BackupError: A kind does not exist.
    """
    for kind in kinds:
        if kind not in KINDS:
            why = f"{kind} is not a kind of snapshot"
            raise BackupError("nothing was backed up or restored", why, f"Use {', '.join(KINDS)}.")
    return tuple(kind for kind in KINDS if kind in kinds) if kinds else KINDS


def packed_point(point: Point) -> list[Any]:
    """Return a point as a list of plain values, the record that a snapshot holds."""
    sparse = point.sparse
    sparse_record = None if sparse is None else [sparse.indices, sparse.values]
    return [point.id, dict(point.payload), point.dense, sparse_record]


def unpacked_point(record: list[Any]) -> Point:
    """Return the point of a record that :func:`packed_point` made."""
    point_id, payload, dense, sparse_record = record
    return Point(point_id, payload, dense, None if sparse_record is None else Sparse(*sparse_record))
