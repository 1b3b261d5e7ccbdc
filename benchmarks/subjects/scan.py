"""Scans of a made-up AWS whose answers take their time, beside a plain loop and the least that is possible.

The estate is that of a mid-sized company in three accounts and seventeen regions: EC2 instances, RDS databases, S3
buckets, Lambda functions and load balancers. Answers come after each region's round trip and 80 ms, calls that come
faster than AWS documents to allow are refused, and both run in this process: what the made-up AWS takes of its CPU is
told, and not subtracted. The list phase reads no more than the lists, with tags and policies; a full scan reads what a
scan reads, and writes it into a new store, with the embedder that users have.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.child import run_child
from benchmarks.figure import Figure, median
from benchmarks.stores import new_folder, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Run = Mapping[str, Any]

SCRIPT = """
import json, sys
from benchmarks import cloud_runs
print(json.dumps(getattr(cloud_runs, sys.argv[1])(**json.loads(sys.argv[2]))))
"""
INSTANCES, QUICK_INSTANCES = 2_500, 200
BUCKETS, REGIONS = 430, 17
#: How many virtual machines there are where the scan's growth with them is measured.
SIZES, QUICK_SIZES = (10_000, 25_000, 50_000), (200, 400)
RUNS, SCANS = 3, 2
LOOP = "plain boto3 loop"
MEGABYTES, MOST = 500.0, "the most that is right"
#: Milliseconds.
MOST_LATE = 60.0


def run(*, quick: bool) -> Iterator[Figure]:
    """Each scan is made by a fresh process."""
    instances, runs, scanned = (QUICK_INSTANCES, 1, 1) if quick else (INSTANCES, RUNS, SCANS)
    lists = [_child("listed", instances=instances) for _ in range(runs)]
    scans = [_child("kept", instances=instances, again=["full", "incremental"]) for _ in range(scanned)]
    loop, loop_name = _loop(instances, regions=2 if quick else REGIONS)
    yield from _list_phase(lists, loop, loop_name, _child("least", instances=instances))
    yield from _full_scan(lists, scans, loop, buckets=1 if quick else 8)
    yield from _beside([_child("beside", instances=instances) for _ in range(runs)])
    yield from _large(QUICK_SIZES if quick else SIZES)
    if not quick:
        yield from _every_type(instances)


def _loop(instances: int, regions: int) -> tuple[float, str]:
    """Return the seconds of the plain loop; of some regions only, they are those of all by the number of calls."""
    looped = _child("looped", instances=instances, regions=regions)
    if regions == REGIONS:
        return looped["seconds"], f"{LOOP}, {looped['calls']:,} calls"
    name = f"{LOOP} over {regions} of {REGIONS} regions, times {REGIONS / regions:.1f}"
    return looped["seconds"] * REGIONS / regions, name


def _list_phase(lists: Sequence[Run], loop: float, loop_name: str, least: Run) -> Iterator[Figure]:
    first, runs, seconds = lists[0], len(lists), _median(lists, "seconds")
    name = f"list phase, {first['resources']:,} resources in {first['cells']} cells"
    yield Figure(name, seconds, "s", loop, loop_name, runs=runs)
    floor = max(first["network"], least["cpu"])
    modelled = f"modelled floor: network {first['network']:.2f} s, botocore's CPU {least['cpu']:.2f} s"
    yield Figure("list phase", seconds, "s", floor, modelled, runs=runs)
    beside = "the lists and tags alone"
    yield Figure("calls of the list phase", _median(lists, "calls"), "", least["calls"], beside, runs=runs)
    yield from _unrefused("list phase", lists)


def _full_scan(lists: Sequence[Run], scans: Sequence[Sequence[Run]], loop: float, *, buckets: int) -> Iterator[Figure]:
    full, again, changed = zip(*scans, strict=True)
    runs, network, listing = len(scans), full[0]["network"], _median(lists, "seconds")
    sample = _child("looped_details", buckets=buckets)
    times = BUCKETS / sample["resources"]
    beside = f"{LOOP}, S3 details of {sample['resources']} buckets times {times:.1f}"
    name = "full scan: lists, details, verdicts, embedding, storage"
    yield Figure(name, _median(full, "seconds"), "s", loop + sample["seconds"] * times, beside, runs=runs)
    cpu = f"; CPU {_median(full, 'cpu'):.2f} s"
    yield Figure("full scan", _median(full, "seconds"), "s", network, f"modelled floor: network{cpu}", runs=runs)
    yield Figure("calls of a full scan", _median(full, "calls"), "", _median(lists, "calls"), "list phase", runs=runs)
    yield from _unrefused("full scan", full)
    name = "re-scan, unchanged: all is read again"
    yield Figure(name, _median(again, "seconds"), "s", network, "modelled floor: network", runs=runs)
    name = "re-scan, unchanged: incremental"
    yield Figure(name, _median(changed, "seconds"), "s", listing, "list phase", runs=runs)
    name = "peak memory of a full scan above import, made-up AWS included"
    yield Figure(name, _median(full, "memory"), "MB", MEGABYTES, MOST, runs=runs)
    yield Figure("memory of the store's owner", _median(full, "owner"), "MB", MEGABYTES, MOST, runs=runs)
    share = median(each["answering"] / (each["cpu"] + each["answering"]) * 100 for each in full)
    yield Figure("the made-up AWS's share of the CPU", share, "%", 100.0, "all", runs=runs)


def _beside(watched: Sequence[Run]) -> Iterator[Figure]:
    """How late a thread of the same process wakes during a full scan; the made-up AWS computes in it, too."""
    late, idle, runs = _median(watched, "late"), _median(watched, "late_idle"), len(watched)
    name = f"a thread during a full scan wakes late, 99th percentile ({idle:.1f} ms without a scan)"
    yield Figure(name, late, "ms", MOST_LATE, MOST, runs=runs)
    name = "the latest waking of all"
    yield Figure(name, _median(watched, "latest"), "ms", late, "99th percentile", runs=runs)


def _large(sizes: Sequence[int]) -> Iterator[Figure]:
    """Time and memory as there are more virtual machines; what a scan of none of them takes is not subtracted."""
    found = {size: _child("kept", instances=size)[0] for size in sizes}
    first = sizes[0]
    for size, each in found.items():
        milliseconds, reference = (one["seconds"] / count * 1e3 for one, count in ((each, size), (found[first], first)))
        name = f"full scan of {size:,} instances in {each['seconds']:.1f} s, each"
        yield Figure(name, milliseconds, "ms", reference, f"of {first:,}")
        memory = f"its peak memory above import (owner: {each['owner']:.0f} MB)"
        yield Figure(memory, each["memory"], "MB", found[first]["memory"], f"of {first:,}")


def _every_type(instances: int) -> Iterator[Figure]:
    (found,) = _child("kept", instances=instances, every_type=True)
    name = f"full scan of every type: {found['cells']:,} cells, mostly empty, {found['calls']:,} calls"
    yield Figure(name, found["seconds"], "s", found["network"], "modelled floor: network")
    yield from _unrefused("full scan of every type", [found])
    yield Figure("its peak memory above import", found["memory"], "MB", MEGABYTES, MOST)


def _unrefused(what: str, runs: Sequence[Run]) -> Iterator[Figure]:
    throttles = sum(each["throttles"] for each in runs)
    passed = 100.0 - throttles / sum(each["calls"] for each in runs) * 100
    name = f"calls of the {what} that AWS let pass, {throttles} throttled"
    yield Figure(name, passed, "%", 100.0, "all", "higher", len(runs))
    whole = 100.0 - sum(each["incomplete"] for each in runs) / sum(each["cells"] for each in runs) * 100
    yield Figure(f"cells of the {what} read completely", whole, "%", 100.0, "all", "higher", len(runs))


def _median(found: Sequence[Run], key: str) -> float:
    return median(each[key] for each in found)


def _child(function: str, **arguments: Any) -> Any:
    with new_folder() as folder:
        return run_child(SCRIPT, function, json.dumps(arguments), data_path=settings_in(folder).data_path)
