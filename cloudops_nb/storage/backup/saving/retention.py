"""How long snapshots are kept in a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cloudops_nb.storage.backup.places.place import Place
    from cloudops_nb.storage.backup.snapshot import Snapshot

_DAY = 86_400.0


def expired(snapshots: Sequence[Snapshot], days: float, now: datetime) -> list[Snapshot]:
    """Return the snapshots that are older than ``days``; 0 days keep everything."""
    return [snapshot for snapshot in snapshots if days and (now - snapshot.created).total_seconds() > days * _DAY]


def prune(place: Place, kept: Snapshot, days: float, now: datetime, store_id: str) -> list[Snapshot]:
    """Remove a place's expired snapshots of one kind and one store; returns them.

    Args:
        place: Where they are.
        kept: The newest, which lies there whole: it stays, however old it is. Without one, do not call this.
        days: How old a snapshot may be.
        now: The time.
        store_id: The store. What another store left there stays, and so does what does not say whose it is.

    Raises:
        BackupError: The place does not allow it.
    """
    removed = []
    for snapshot in expired(place.snapshots(kept.kind), days, now):
        header = place.header(snapshot) if snapshot.name != kept.name else None
        if header is not None and header.store_id == store_id:
            place.remove(snapshot)
            removed.append(snapshot)
    return removed
