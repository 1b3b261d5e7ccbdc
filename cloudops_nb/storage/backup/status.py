"""How backups stand: where snapshots are, and how new."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from cloudops_nb.storage.backup.snapshot import KINDS

if TYPE_CHECKING:
    from datetime import datetime

    from cloudops_nb.storage.backup.places.snapshot_inventory import SnapshotInventory
    from cloudops_nb.storage.schedule.status import ScheduleStatus


class BackupHealth(TypedDict):
    """Whether S3 is configured and reachable (``None`` if not configured), the newest snapshots, and the schedule."""

    s3_configured: bool
    s3_reachable: bool | None
    s3_problem: str
    newest: dict[str, datetime | None]
    schedule: ScheduleStatus


def newest_snapshots(inventory: SnapshotInventory, now: datetime) -> dict[str, datetime | None]:
    """Return when the newest snapshot of each kind was taken, ``None`` where there is none."""
    found = {kind: inventory.newest(kind, now) for kind in KINDS}
    return {kind: snapshot.created if snapshot else None for kind, snapshot in found.items()}
