"""A store with something of every kind in it, and all that it says through its doors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.model import CellKey, CellResult, CellState, Resource
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT

if TYPE_CHECKING:
    from cloudops_nb.storage.facade import StorageService

ACCOUNT = "123456789012"
WORDS = ["postgres database production", "web server staging", "queue orders", "bucket logs", "cache", "nightly job"]
STARTED = datetime(2025, 1, 1, tzinfo=UTC)


def fill(storage: StorageService) -> None:
    """Put something of every kind into a store."""
    fill_estate(storage)
    storage.journal.append("plan", "p0", {"steps": [1, 2]})
    storage.journal.append("plan", "p1", {}, once="plan:p1")
    storage.journal.append("plan", "p2", {"plan_hash": "abc"}, once="plan:abc", power_safe=True)


def fill_estate(storage: StorageService) -> None:
    """Put resources, cells and a conversation about them into a store."""
    resources = [
        Resource(
            "ec2_instance",
            f"i-{number:017x}",
            ACCOUNT,
            "eu-west-1",
            "ec2",
            arn=f"arn:aws:ec2:eu-west-1::i/{number}",
            name=words.replace(" ", "-"),
            account_name="prod",
            tags={"team": words.split()[0]},
            last_synced=STARTED,
        )
        for number, words in enumerate(WORDS)
    ]
    storage.estate.upsert(resources, scan_id="scan-1")
    for kind in ("ec2_instance", "s3_bucket"):
        result = CellResult(CellKey(ACCOUNT, "eu-west-1", kind), CellState.PARTIAL, STARTED, 1.5, resources=6)
        storage.scan_state.put(result, "scan-1")
    for number in range(3):
        storage.chat.append("first", "user", f"message {number}", {"resources": ["i-0"]})
    storage.chat.retitle("first", "The first one")
    storage.chat.append("first", "assistant", "the last one")


def kept_in(storage: StorageService) -> dict[str, Any]:
    """Everything that a store says through its doors, but for the records about keys."""
    rows = storage.vector_store.rows(AWS_ESTATE.name, EVERY_POINT, ("last_synced", "seen", "suspected"))
    return {
        "resources": [hit.resource for hit in storage.estate.resources()],
        "found": [hit.resource.name for hit in storage.estate.search("postgres database", limit=3)],
        "facets": storage.estate.facets("tags"),
        "stamps": sorted((row.payload["last_synced"], row.payload["seen"]) for row in rows),
        "chat": storage.chat.history("first"),
        "conversations": storage.chat.conversations(),
        "cells": storage.scan_state.cells(),
        "records": storage.journal.records(kind="plan"),
        "journal": storage.journal.verify().count,
    }
