"""What is backed up, and how a snapshot is named: the same in every place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.engines.schema import AWS_ESTATE, CHAT_HISTORY

JOURNAL: Final = "journal"
#: Every kind of snapshot, in the order in which they are taken and restored: the journal's file also holds the scan
#: state, which the estate's snapshot carries.
KINDS: Final = (JOURNAL, AWS_ESTATE.name, CHAT_HISTORY.name)
SUFFIX: Final = ".snapshot"
#: A snapshot that seems to be taken later than this from now is no newest one: some clock was wrong.
AHEAD: Final = timedelta(days=1)
_TIME = "%Y-%m-%dT%H-%M-%S"
_NAME = re.compile(rf"({'|'.join(KINDS)})_(\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\d){re.escape(SUFFIX)}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot in one place: its kind, its name there, when it was taken (UTC), and its size."""

    kind: str
    name: str
    created: datetime
    bytes: int


def snapshot_name(kind: str, created: datetime) -> str:
    """Return the name of a snapshot; times are exact to the second."""
    return f"{kind}_{created.astimezone(UTC).strftime(_TIME)}{SUFFIX}"


def parse_name(name: str) -> tuple[str, datetime] | None:
    """Return the kind and time in a snapshot's name; ``None`` for any other name."""
    matched = _NAME.fullmatch(name)
    if matched is None:
        return None
    try:
        return matched[1], datetime.strptime(matched[2], _TIME).replace(tzinfo=UTC)
    except ValueError:  # digits that are no time
        return None


def checked_kinds(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Return the kinds that are asked for, every one if none is named, in the order of :data:`KINDS`.

    Raises:
        BackupError: There is no such kind.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise BackupError(
                "there is nothing to back up", f"{kind} is no kind of snapshot", f"Use {', '.join(KINDS)}."
            )
    return tuple(kind for kind in KINDS if kind in kinds) if kinds else KINDS
