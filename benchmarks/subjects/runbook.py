"""What a step of a plan costs beyond its AWS call, and what a plan costs beyond AWS's answers, over a simulated AWS.

Steps are compared with the same calls by a bare boto3 client, in turns in one process. Each record of a step is safe
from a power cut before the run goes on; the time of SQLite's commits and of fsync is subtracted from a step, and has a
row of its own. The document of one's own has 20 single steps, a loop and a nested document, and is read and linted for
each plan; the bundled playbook is ``ec2-stop``.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

from benchmarks.child import run_child
from benchmarks.figure import Figure, median

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCRIPT = """
import json, sys
from benchmarks.runbook_runs import measured
print(json.dumps(measured(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
"""
#: Milliseconds.
MOST_STEP, MOST_PLAN = 5.0, 150.0
MOST = "the most that is right"
STEPS, RUNS = 40, 11
QUICK_STEPS, QUICK_RUNS = 5, 2
PLANS = {"bundled": "plan of a bundled playbook", "own": "plan of an own document"}


def run(*, quick: bool) -> Iterator[Figure]:
    """Steps that read and that change, then plans; medians of several runs."""
    steps, runs = (QUICK_STEPS, QUICK_RUNS) if quick else (STEPS, RUNS)
    with tempfile.TemporaryDirectory() as folder:
        found = run_child(SCRIPT, folder, steps, runs)
    for kind in ("reads", "changes"):
        yield from _steps(kind, found[kind], runs)
    for kind, name in PLANS.items():
        yield from _plans(name, found[kind], runs)
    first, call = found["bundled"]["total"][0], found["first_call"]
    yield Figure("first plan of a process, whole", first, "ms", call, "a new boto3 client and its first call")


def _steps(kind: str, times: Mapping[str, Any], runs: int) -> Iterator[Figure]:
    name = f"step that {kind}"
    whole, safe, bare = (median(times[each]) for each in ("engine", "durable", "bare"))
    beyond = median(a - b - c for a, b, c in zip(times["engine"], times["durable"], times["bare"], strict=True))
    yield Figure(f"{name}, beyond boto3 and fsync", beyond, "ms", MOST_STEP, MOST, runs=runs)
    yield Figure(f"{name}, commits and fsync", safe, "ms", bare, "the call by bare boto3", runs=runs)
    yield Figure(f"{name}, whole", whole, "ms", bare, "the call by bare boto3", runs=runs)


def _plans(name: str, times: Mapping[str, Any], runs: int) -> Iterator[Figure]:
    totals, answers = (times[each][1:] for each in ("total", "aws"))
    beyond = median(total - aws for total, aws in zip(totals, answers, strict=True))
    yield Figure(f"{name}, beyond AWS's answers", beyond, "ms", MOST_PLAN, MOST, runs=runs)
    yield Figure(f"{name}, whole", median(totals), "ms", median(answers), "AWS's answers", runs=runs)
