"""From a request in plain words to a plan, over the simulated AWS, beside boto3's call for the same resource.

The estate holds as many resources as a mid-sized company has, because a request is resolved among all of them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.child import run_child
from benchmarks.figure import Figure, median, percentile

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = """
import json, os, sys, time
from itertools import islice
from pathlib import Path
from benchmarks.estate import resources
from cloudops_nb import CloudOps
from cloudops_nb.demo import lifecycle

folder, count, runs = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
demo = lifecycle.up(folder / "demo", seed=1, transition_seconds=0)
try:
    demo.apply(os.environ)
    region = demo.regions[0]
    settings = {"accounts": [dict(each) for each in demo.accounts], "regions": [region], "key_source": "file",
                "key_file": str(folder / "key")}
    with CloudOps(folder / "store", **settings) as ops:
        ops.storage.estate.upsert(list(islice(resources(count), count)), scan_id="before")
        ops.scan(accounts=["staging"], services=["rds"])

        def milliseconds(work):
            start = time.perf_counter()
            result = work()
            return (time.perf_counter() - start) * 1e3, result

        def ask(name):
            seconds, answer = milliseconds(lambda: ops.ask(f"stop {name}", conversation=name))
            assert answer.kind == "plan", answer.text
            return seconds, answer.plan

        _, plan = ask("pg-instance-staging1")
        asked = []
        for _ in range(runs):
            seconds, plan = ask("pg-instance-staging1")
            asked.append(seconds)
        changed = []
        for _ in range(runs):
            ops.scan(accounts=["staging"], services=["rds"])
            changed.append(ask("pg-instance-staging1")[0])
        client = ops.sessions.client(plan.account_id, "rds", plan.region)
        call = lambda: client.describe_db_instances(DBInstanceIdentifier="pg-instance-staging1")
        call()
        calls = [milliseconds(call)[0] for _ in range(runs)]
        print(json.dumps({"asked": asked, "changed": changed, "calls": calls}))
finally:
    lifecycle.down(folder / "demo")
"""


def run(*, quick: bool) -> Iterator[Figure]:
    """A request whose estate has not changed since the last one, and the first request after a scan."""
    count, runs = (1_000, 5) if quick else (10_000, 20)
    with tempfile.TemporaryDirectory() as folder:
        times = run_child(SCRIPT, Path(folder), count, runs)
    for name, key in (("ask to plan", "asked"), ("ask to plan, after a scan", "changed")):
        for measure, title in ((median, "p50"), (lambda values: percentile(values, 0.95), "p95")):
            value, reference = (measure(times[each]) for each in (key, "calls"))
            yield Figure(
                f"{name}, {count:,} resources, {title}", value, "ms", reference, "describe_db_instances", runs=runs
            )
