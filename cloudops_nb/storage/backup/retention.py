"""How long snapshots are kept in a place."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloudops_nb.storage.backup.snapshot import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cloudops_nb.storage.backup.place import Place
    from cloudops_nb.storage.backup.snapshot import Snapshot


def expired(snapshots: Sequence[Snapshot], days: float, now: datetime) -> list[Snapshot]:
    """Return the snapshots of one kind that are older than ``days``, but never the newest; 0 days keep everything."""
    if not days or not snapshots:
        return []
    newest = max(snapshots, key=lambda snapshot: snapshot.created)
    oldest_kept = now - timedelta(days=days)
    return [snapshot for snapshot in snapshots if snapshot.created < oldest_kept and snapshot != newest]


def prune(place: Place, days: float, now: datetime) -> list[Snapshot]:
    """Remove a place's expired snapshots; returns them.

    Raises:
        BackupError: The place does not allow it.
    """
    removed = [snapshot for kind in KINDS for snapshot in expired(place.snapshots(kind), days, now)]
    for snapshot in removed:
        place.remove(snapshot)
    return removed
