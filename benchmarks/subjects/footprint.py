"""Memory and disk that a resource takes, beside the same resource in plain files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.estate import resources
from benchmarks.figure import Figure
from benchmarks.stores import SeededEmbedder, disk_bytes, new_storage, owner_pid, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.model import Resource

REFERENCE_NAME = "JSON lines and float32 vectors, no index, unencrypted"


def run(*, quick: bool) -> Iterator[Figure]:
    """Kilobytes a resource: what the owner's memory grew by, and the blocks that its files occupy after a sync."""
    for count in (1_000,) if quick else (10_000, 100_000):
        estate = list(resources(count))
        with new_storage() as (storage, data_path):
            before = resident_bytes(owner_pid(data_path))
            storage.estate.upsert(estate, scan_id="benchmark")
            storage.flush()
            memory, disk = resident_bytes(owner_pid(data_path)) - before, disk_bytes(data_path)
        plain = _plain_bytes(estate)
        for name, size in (("memory of the owner", memory), ("disk", disk)):
            kilobytes, reference = (number / count / 1024 for number in (size, plain))
            yield Figure(f"{name} a resource, of {count:,}", kilobytes, "kB", reference, REFERENCE_NAME)


def _plain_bytes(estate: Sequence[Resource]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        lines = "\n".join(json.dumps(resource.to_dict()) for resource in estate)
        (Path(folder) / "resources.jsonl").write_text(lines, encoding="utf-8")
        (Path(folder) / "vectors.bin").write_bytes(SeededEmbedder().embed([""] * len(estate)).tobytes())
        return disk_bytes(Path(folder))
