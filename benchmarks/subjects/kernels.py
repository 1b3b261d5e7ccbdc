"""Several kernels at once on one store: nothing refused, nothing acknowledged lost, and what it does to latency."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks.child import run_child
from benchmarks.estate import resources
from benchmarks.figure import Figure, percentile
from benchmarks.stores import SeededEmbedder, new_folder, settings_in
from cloudops_nb.storage.facade import StorageService

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudops_nb.settings import Settings

#: A kernel's mix of reads and writes; it says what was acknowledged, how long each operation took, what was refused.
SCRIPT = """
import itertools, json, sys, time
from dataclasses import replace
from pathlib import Path
from benchmarks.estate import questions, resources
from benchmarks.stores import SeededEmbedder, settings_in
from cloudops_nb.errors import CloudOpsError
from cloudops_nb.storage.facade import StorageService

folder, kernel, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
patterns, asked = list(resources(20)), itertools.cycle(questions(40))
written, said, reads, writes, refused = [], 0, [], [], []

def timed(times, work, *arguments, **named):
    start = time.perf_counter()
    try:
        return work(*arguments, **named)
    except CloudOpsError as error:
        refused.append(str(error))
    finally:
        times.append((time.perf_counter() - start) * 1e3)

with StorageService(settings_in(folder), SeededEmbedder) as storage:
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        number += 1
        some = [replace(each, arn=f"arn:{kernel}:{number}:{row}") for row, each in enumerate(patterns)]
        if timed(writes, storage.estate.upsert, some, scan_id=kernel):
            written += [each.arn for each in some]
        said += bool(timed(writes, storage.chat.append, "shared", "user", f"{kernel} {number}"))
        for _ in range(2):
            timed(reads, storage.estate.search, next(asked))
        timed(reads, storage.estate.get, written[0] if written else "")
        timed(reads, storage.chat.history, "shared", 20)
print(json.dumps({"written": written, "said": said, "reads": reads, "writes": writes, "refused": refused}))
"""


def run(*, quick: bool) -> Iterator[Figure]:
    """One kernel alone, then two and four together, for as long each."""
    seconds = 2 if quick else 60
    alone, found_alone = _together(1, seconds)
    for kernels in (2,) if quick else (2, 4):
        results, found = _together(kernels, seconds)
        title = f"{kernels} kernels for {seconds} s"
        for name, unit, value, reference in (
            ("operations", "", _operations(results), _operations(alone)),
            ("operations that were not refused", "%", _accepted(results), _accepted(alone)),
            ("acknowledged writes found again", "%", found, found_alone),
        ):
            yield Figure(f"{title}, {name}", value, unit, reference, "one kernel", "higher")
        for kind in ("reads", "writes"):
            for share in (0.5, 0.95):
                value, reference = (percentile(_all(each, kind), share) for each in (results, alone))
                yield Figure(f"{title}, {kind}, p{share * 100:.0f}", value, "ms", reference, "one kernel")


def _together(kernels: int, seconds: int) -> tuple[list[dict[str, Any]], float]:
    """Run the mix in so many processes; return what they say, and how much of it is there."""
    with new_folder() as folder, ThreadPoolExecutor(kernels) as pool:
        settings = settings_in(folder)
        with StorageService(settings, SeededEmbedder) as storage:
            storage.estate.upsert(list(resources(1_000)), scan_id="before")
        running = [pool.submit(run_child, SCRIPT, folder, f"kernel-{number}", seconds) for number in range(kernels)]
        results = [each.result() for each in running]
        return results, _found(settings, results)


def _found(settings: Settings, results: Sequence[dict[str, Any]]) -> float:
    """The share of what was acknowledged that is there afterwards, in percent."""
    written = _all(results, "written")
    said: int = sum(result["said"] for result in results)
    with StorageService(settings, SeededEmbedder) as storage:
        there = sum(storage.estate.get(arn) is not None for arn in written)
        return 100 * (there + len(storage.chat.history("shared", said))) / (len(written) + said)


def _operations(results: Sequence[dict[str, Any]]) -> int:
    return len(_all(results, "reads")) + len(_all(results, "writes"))


def _accepted(results: Sequence[dict[str, Any]]) -> float:
    return 100 - 100 * len(_all(results, "refused")) / _operations(results)


def _all(results: Sequence[dict[str, Any]], kind: str) -> list[Any]:
    return [value for result in results for value in result[kind]]
