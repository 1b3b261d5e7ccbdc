"""Importing the package and opening a store, beside the same steps of boto3, which its users import anyway."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.child import run_child
from benchmarks.figure import Figure, median

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = """
import json, time
start = time.perf_counter()
import cloudops_nb
imported = time.perf_counter()
ops = cloudops_nb.CloudOps(key_source="file")
opened = time.perf_counter()
ops.close()
print(json.dumps({"import": (imported - start) * 1e3, "open": (opened - imported) * 1e3}))
"""
REFERENCE = """
import json, time
start = time.perf_counter()
import boto3
imported = time.perf_counter()
boto3.Session().client("ec2", "us-east-1")
opened = time.perf_counter()
print(json.dumps({"import": (imported - start) * 1e3, "open": (opened - imported) * 1e3}))
"""


def run(*, quick: bool) -> Iterator[Figure]:
    """The import, a first opening, which makes the store, and a later one."""
    runs = 3 if quick else 5
    first, later, reference = [], [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store"
            first.append(run_child(OURS, data_path=path))
            later.append(run_child(OURS, data_path=path))
        reference.append(run_child(REFERENCE))
    for name, key, ours, beside in (
        ("import cloudops_nb", "import", later, "import boto3"),
        ("CloudOps(), new store", "open", first, "EC2 client of boto3"),
        ("CloudOps(), existing store", "open", later, "EC2 client of boto3"),
    ):
        values, references = ([result[key] for result in results] for results in (ours, reference))
        yield Figure(name, median(values), "ms", median(references), beside, runs=runs)
