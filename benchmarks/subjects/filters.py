"""Filters of every kind over the estate, beside the second that any of them may take at 10,000 resources."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.estate import resources
from benchmarks.figure import Figure, median
from benchmarks.stores import new_storage
from cloudops_nb.understanding.query import Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COUNT, QUICK_COUNT = 10_000, 1_000
RUNS = 5
MOST_SECONDS = 1.0
#: One filter of each kind; a fact that every resource has decrypts every row.
FILTERS: Mapping[str, Mapping[str, object]] = {
    "a value": {"resource_type": "ec2_volume"},
    "a list of values": {"region": ["us-east-1", "eu-west-1"], "service": "rds"},
    "a wildcard in a name": {"name": "ledger-*"},
    "a wildcard in a tag": {"tags": {"env": "prod*"}},
    "a tag that is absent": {"tags": {"env": None}},
    "a fact of every resource": {"encrypted": True},
    "a metadata field": {"instance_class": "t3.*"},
}


def run(*, quick: bool) -> Iterator[Figure]:
    """Time each filter."""
    estate = list(resources(QUICK_COUNT if quick else COUNT))
    with new_storage() as (storage, _):
        storage.estate.upsert(estate, scan_id="benchmark")
        storage.flush()
        for name, filters in FILTERS.items():
            query = Query.of(filters, filters)
            seconds = []
            for _ in range(RUNS):
                start = time.perf_counter()
                found = len(storage.estate.matching(query))
                seconds.append(time.perf_counter() - start)
            shown = f"{name}, {found:,} of {len(estate):,}"
            yield Figure(shown, median(seconds), "s", MOST_SECONDS, "the most that is right", runs=RUNS)
