"""Something of every kind for a store, all that the store then says of it, and its snapshots."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.model import CellKey, CellResult, CellState, Constraint, Constraints, IamPermissions, Resource, Ternary
from cloudops_nb.storage.backup.archive import Header, write_archive
from cloudops_nb.storage.backup.backup_report import RestoreRow, SnapshotRow
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.storage.backup.backup_report import BackupReport
    from cloudops_nb.storage.facade import StorageService

ACCOUNT = "123456789012"
STARTED = datetime(2025, 1, 1, tzinfo=UTC)
CELL = CellKey(ACCOUNT, "eu-west-1", "rds_db_instance")


def database(number: int, **changes: Any) -> Resource:
    fields: dict[str, Any] = {
        "name": f"pg-payroll-{number}",
        "account_name": "production",
        "tags": {"team": "payments", "number": str(number)},
        "iam": IamPermissions(allowed=("rds:StopDBInstance",), denied=("rds:DeleteDBInstance",)),
        "constraints": Constraints(can_stop=Constraint(Ternary.TRUE, "it is running")),
        "last_synced": STARTED,
        **changes,
    }
    return Resource("rds_db_instance", f"db-{number}", ACCOUNT, "eu-west-1", "rds", **fields)


def fill(storage: StorageService, *, resources: int = 5) -> None:
    storage.estate.upsert([database(number) for number in range(resources)], scan_id="scan-1")
    storage.scan_state.put(CellResult(CELL, CellState.OK, STARTED, 1.5, resources=resources), "scan-1")
    for number in range(4):
        storage.chat.append("incident", "user", f"message {number}", {"resources": ["db-0"]})
    storage.chat.retitle("incident", "The payroll incident")
    for number in range(3):
        storage.journal.append("plan", f"plan-{number}", {"steps": number}, once=f"plan-{number}")


def contents(storage: StorageService) -> dict[str, Any]:
    """Everything that a store says through its doors."""
    stamps = storage.vector_store.rows(AWS_ESTATE.name, EVERY_POINT, ("last_synced", "seen", "suspected"))
    return {
        "resources": [hit.resource for hit in storage.estate.resources()],
        "found": storage.estate.search("db-3", limit=1)[0].resource,
        "stamps": [(row.id, row.payload) for row in stamps],
        "chat": storage.chat.history("incident"),
        "conversations": storage.chat.conversations(),
        "cells": storage.scan_state.cells(),
        "records": storage.journal.records(),
        "journal": storage.journal.verify(),
    }


def change(storage: StorageService) -> None:
    """Make everything differ from what :func:`fill` left."""
    storage.estate.upsert([database(0, name="renamed"), database(99)], scan_id="scan-2")
    storage.scan_state.put(CellResult(CELL, CellState.PARTIAL, STARTED, 9.0), "scan-2")
    storage.chat.append("incident", "assistant", "one more")
    storage.chat.append("other", "user", "hello")
    storage.journal.append("approval", "plan-2", {})


def outcomes(storage: StorageService, *arguments: Any, **options: Any) -> dict[str, str]:
    return {row.kind: row.outcome for row in restored(storage.backup.restore(*arguments, **options))}


def saved(report: BackupReport) -> list[SnapshotRow]:
    """The rows of a backup, or of a listing of snapshots."""
    rows = [row for row in report.rows if isinstance(row, SnapshotRow)]
    assert len(rows) == len(report.rows)
    return rows


def restored(report: BackupReport) -> list[RestoreRow]:
    """The rows of a restore."""
    rows = [row for row in report.rows if isinstance(row, RestoreRow)]
    assert len(rows) == len(report.rows)
    return rows


def paths(storage: StorageService) -> list[Path]:
    return sorted(storage.backup.local.folder.glob("*/*.snapshot"))


def forge(
    storage: StorageService,
    rows: list[Any],
    *,
    kind: str = "aws_estate",
    front: list[Any] | None = None,
    created: datetime = datetime(2100, 1, 1, tzinfo=UTC),
) -> str:
    """Write a snapshot newer than every other, as an attacker with the key could."""
    vault = storage.vault
    with storage.backup.local.create(kind, created) as draft:
        header = Header(kind=kind, created=draft.created, key_fingerprint=vault.keys.fingerprint)
        write_archive(draft.stream, vault.master, header, front or [], rows)
    return draft.snapshot.name
