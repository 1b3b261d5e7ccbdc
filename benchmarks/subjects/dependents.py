"""What depends on a resource, found by keyed targets, beside a look at every row of the estate."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import patch

from benchmarks.estate import resources
from benchmarks.figure import Figure, median
from benchmarks.stores import new_storage
from cloudops_nb.client.dependents import dependents_of
from cloudops_nb.model import Relation
from cloudops_nb.storage.estate.points import EstatePoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.model import Resource
    from cloudops_nb.storage.estate.store import EstateStore

#: The resources that depend on the one that is asked about.
DEPENDENTS = 20
EVERY_ROW = "every row decrypted"
RUNS, REFERENCE_RUNS = 30, 3


def run(*, quick: bool) -> Iterator[Figure]:
    """Time the dependents of one resource, and count the rows that are decrypted for them."""
    for count in (1_000,) if quick else (10_000, 100_000):
        estate = list(resources(count))
        target, users = estate[0], estate[1 : DEPENDENTS + 1]
        link = Relation("uses", target.resource_type, target.identifier, target.account_id, target.region, target.arn)
        estate[1 : DEPENDENTS + 1] = [replace(each, relations=(*each.relations, link)) for each in users]
        with new_storage() as (storage, _):
            storage.estate.upsert(estate, scan_id="benchmark")
            storage.flush()
            yield from _figures(f"dependents in {count:,} resources", storage.estate, target)


def _figures(name: str, estate: EstateStore, target: Resource) -> Iterator[Figure]:
    def ours() -> int:
        return len(dependents_of(estate, [target])[target.canonical_key])

    def reference() -> int:
        return sum(any(link.points_to(target) for link in hit.resource.relations) for hit in estate.resources())

    assert ours() == reference() == DEPENDENTS
    value, other = _milliseconds(ours, RUNS), _milliseconds(reference, REFERENCE_RUNS)
    yield Figure(name, value, "ms", other, EVERY_ROW, runs=RUNS)
    yield Figure(f"{name}, rows decrypted", _decrypted(ours), "rows", _decrypted(reference), EVERY_ROW)


def _milliseconds(function: Callable[[], int], runs: int) -> float:
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1e3)
    return median(times)


def _decrypted(function: Callable[[], int]) -> float:
    with patch.object(EstatePoints, "resource", autospec=True, side_effect=EstatePoints.resource) as counted:
        function()
    return float(counted.call_count)
