"""Scans of the made-up AWS, and the loop that people write instead; each is run in a fresh process."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore import xform_name

from benchmarks.cloud import ACCOUNTS, REGIONS, Cloud
from benchmarks.lateness import Lateness, idle_lateness
from benchmarks.stores import owner_pid, resident_bytes
from cloudops_nb import CloudOps
from cloudops_nb.aws.error_states import is_not_offered
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.scanner.inventory.least_privilege import scan_operations
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloudops_nb.model import CellResult
    from cloudops_nb.scanner.report import ScanReport
    from cloudops_nb.specs.model import ResourceSpec

#: Returns a client by service and region, for an operation.
ClientOf = Callable[[str, str, str], Any]
#: The threads of a scan, as they are set if nobody sets them.
THREADS = 64
_MEGABYTE = 1 << 20


class _List(NamedTuple):
    """A list call of a region; ``tagged`` is what its tags are asked for as, where they come apart."""

    service: str
    operation: str
    place: str
    size: int
    tagged: str = ""


_LISTS = (
    _List("ec2", "DescribeInstances", "Reservations", 500),
    _List("rds", "DescribeDBInstances", "DBInstances", 100),
    _List("lambda", "ListFunctions", "Functions", 50, "lambda:function"),
    _List("elbv2", "DescribeLoadBalancers", "LoadBalancers", 400, "elasticloadbalancing:loadbalancer"),
)
_OF_A_BUCKET = ("get_bucket_tagging", "get_public_access_block", "get_bucket_versioning", "get_bucket_policy")


@dataclass
class Measured:
    """What a run took and brought.

    Attributes:
        seconds: Of the wall clock.
        cpu: Seconds of this process's CPU, without those of the made-up AWS.
        answering: Seconds of CPU that the made-up AWS took in this process.
        network: Seconds that the calls take at the least.
        memory: Megabytes by which the process grew at the most, those of the made-up AWS included.
        owner: Megabytes that the store's owner holds.
        late, latest: Milliseconds that another thread of the process wakes late: the 99th percentile and the most.
        late_idle: The 99th percentile of the same before the scan, which is the machine's own.
        incomplete: Cells that were not read to their end, though their service is offered in their region.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    answering: float = 0.0
    calls: int = 0
    throttles: int = 0
    network: float = 0.0
    memory: float = 0.0
    owner: float = 0.0
    late: float = 0.0
    latest: float = 0.0
    late_idle: float = 0.0
    resources: int = 0
    cells: int = 0
    incomplete: int = 0
    why: list[str] = field(default_factory=list)

    def count(self, results: Iterable[CellResult]) -> None:
        """Take note of how cells ended."""
        for result in results:
            self.cells += 1
            self.resources += result.resources
            if not result.state.complete and not is_not_offered(result):
                self.incomplete += 1
                self.why.append(f"{result.key}: {result.state.value} {result.detail}")


def listed(*, instances: int, details: bool = False) -> dict[str, Any]:
    """Scan without a store: every page is read, made into resources and judged."""
    cloud = _entered(instances)
    sessions = AccountSessions(cloud.aws.accounts, threads=THREADS, events=cloud.events())
    specs = [spec for spec in cloud.specs if spec.resource_type in cloud.counts]
    with _measured(cloud) as measured:
        items = Scanner(sessions, threads=THREADS, specs=specs if details else _bare(specs)).scan()
        measured.count(item for item in items if not isinstance(item, PageRead))
    return vars(measured)


def kept(*, instances: int, every_type: bool = False, again: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Scan into a store that is new, then again, in the modes that are named; with the embedder that users have."""
    cloud = _entered(instances, every_type=every_type)
    found: list[dict[str, Any]] = []
    with CloudOps(key_source="file", scan_threads=THREADS) as ops:
        for mode in ("full", *again):
            # Each scan enters the accounts anew, as one in another kernel would.
            ops.parts.sessions = AccountSessions(cloud.aws.accounts, threads=THREADS, events=cloud.events())
            with _measured(cloud) as measured:
                report: ScanReport = ops.scan(services=None if every_type else list(cloud.counts), mode=mode)
                measured.count(report.results)
            ops.sessions.close()
            measured.owner = resident_bytes(owner_pid(ops.settings.data_path)) / _MEGABYTE
            found.append(vars(measured))
    return found


def beside(*, instances: int) -> dict[str, Any]:
    """Scan into a new store, and measure how late another thread of the process wakes."""
    cloud = _entered(instances)
    with CloudOps(key_source="file", scan_threads=THREADS) as ops:
        ops.parts.sessions = AccountSessions(cloud.aws.accounts, threads=THREADS, events=cloud.events())
        ops.parts.embedder()
        idle = idle_lateness().percentile(0.99)
        with _measured(cloud) as measured, Lateness() as lateness:
            measured.count(ops.scan(services=list(cloud.counts)).results)
        measured.late_idle, measured.late, measured.latest = idle, lateness.percentile(0.99), lateness.percentile(1)
    return vars(measured)


def looped(*, instances: int, latency: bool = True, regions: int = len(REGIONS)) -> dict[str, Any]:
    """List the same with a plain loop over accounts, regions and services, one call after the other."""
    cloud = _entered(instances, latency=latency)
    with _measured(cloud) as measured:
        for session in _loop_sessions(cloud):
            measured.resources += _list_all(partial(_client, session), regions)
    return vars(measured)


def least(*, instances: int) -> dict[str, Any]:
    """Let botocore read the same answers, each whole, and nothing else.

    They take no time, and its clients are made as ours are, with no more than the operations that are called.
    """
    cloud = _entered(instances, latency=False)
    gc.disable()
    with _measured(cloud) as measured:
        sessions = AccountSessions(cloud.aws.accounts, threads=THREADS, events=cloud.events())
        sessions.expect(
            call for spec in cloud.specs if spec.resource_type in cloud.counts for call in scan_operations(spec)
        )
        for account in sessions.accounts():
            sessions.regions(account.account_id)
            measured.resources += _list_all(partial(sessions.client, account.account_id), len(REGIONS))
    return vars(measured)


def looped_details(*, buckets: int) -> dict[str, Any]:
    """Read the details of some buckets of each account with a plain loop; ``resources`` counts those buckets."""
    cloud = _entered(1)
    with _measured(cloud) as measured:
        for session in _loop_sessions(cloud):
            found = session.client("s3").list_buckets(MaxBuckets=1000)["Buckets"]
            for bucket in found[:: max(1, len(found) // buckets)]:
                client = session.client("s3", region_name=bucket["BucketRegion"])
                for operation in _OF_A_BUCKET:
                    getattr(client, operation)(Bucket=bucket["Name"])
                measured.resources += 1
    return vars(measured)


def _entered(instances: int, *, latency: bool = True, every_type: bool = False) -> Cloud:
    cloud = Cloud(instances, latency=latency)
    os.environ.update(cloud.aws.environment)
    cloud.prepare(every_type=every_type)
    return cloud


@contextmanager
def _measured(cloud: Cloud) -> Iterator[Measured]:
    measured = Measured()
    cloud.aws.forget_calls()
    cloud.answering = 0.0
    before = _resident("VmRSS")
    # https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html: the peak counts from here.
    Path("/proc/self/clear_refs").write_text("5")
    cpu, start = time.process_time(), time.perf_counter()
    yield measured
    measured.seconds = time.perf_counter() - start
    measured.answering = cloud.answering
    measured.cpu = time.process_time() - cpu - cloud.answering
    measured.memory = (_resident("VmHWM") - before) / _MEGABYTE
    measured.calls, measured.throttles = cloud.aws.calls.total(), cloud.aws.throttles.total()
    measured.network = cloud.network_seconds(THREADS)


def _resident(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith(name))


def _bare(specs: Iterable[ResourceSpec]) -> list[ResourceSpec]:
    """Return the types without what is read of each resource apart."""
    return [spec.model_copy(update={"details": (), "batches": ()}) for spec in specs]


def _loop_sessions(cloud: Cloud) -> Iterator[boto3.Session]:
    source = _session(cloud)
    for account in ACCOUNTS:
        role = f"arn:aws:iam::{account}:role/Scan"
        given = source.client("sts").assume_role(RoleArn=role, RoleSessionName="loop")["Credentials"]
        yield _session(cloud, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def _session(
    cloud: Cloud, key: str | None = None, secret: str | None = None, token: str | None = None
) -> boto3.Session:
    session = boto3.Session(key, secret, token, "us-east-1")
    for event, handler in cloud.events().items():
        session.events.register(event, handler)
    return session


def _client(session: Any, service: str, region: str, _operation: str) -> Any:
    return session.client(service, region_name=region)


def _list_all(client: ClientOf, regions: int) -> int:
    count = len(client("s3", "us-east-1", "ListBuckets").list_buckets(MaxBuckets=1000)["Buckets"])
    return count + sum(_list_once(client, region, each) for region in REGIONS[:regions] for each in _LISTS)


def _list_once(client: ClientOf, region: str, asked: _List) -> int:
    lister = client(asked.service, region, asked.operation).get_paginator(xform_name(asked.operation))
    count = sum(len(page[asked.place]) for page in lister.paginate(PaginationConfig={"PageSize": asked.size}))
    if count and asked.tagged:
        tags = client("resourcegroupstaggingapi", region, "GetResources").get_paginator("get_resources")
        for _ in tags.paginate(ResourceTypeFilters=[asked.tagged], PaginationConfig={"PageSize": 100}):
            pass
    return count
