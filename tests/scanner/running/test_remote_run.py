"""Cells read in other processes: by a Dask cluster, by a process pool, by any executor."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.model import Account, CellState, LearnedRate
from cloudops_nb.scanner.running.dask_cluster import DaskCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROD, STAGE = "123456789012", "111122223333"
#: Of its own choosing: the usual one may belong to a cluster of somebody else.
NO_PORT = "127.0.0.1:0"
CHOICE: dict[str, Any] = {"services": ["rds_instance", "s3_bucket", "dynamodb_table"]}


@pytest.fixture
def cluster(aws: Any) -> Iterator[Any]:
    """A scheduler and two worker processes on this host, which see the simulated AWS."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=NO_PORT) as made:
        yield made


@pytest.fixture
def dask(cluster: Any) -> Iterator[DaskCluster]:
    with DaskCluster(cluster.scheduler_address) as executor:
        yield executor


def test_a_dask_cluster_finds_what_a_scan_in_this_process_finds(
    make_scanner: Callable[..., Any], collect: Callable[..., Any], dask: DaskCluster
) -> None:
    here, there = collect(make_scanner(), **CHOICE), collect(make_scanner(executor=dask), **CHOICE)
    assert {each.arn: each.tags for each in there.resources} == {each.arn: each.tags for each in here.resources}
    assert {key: each.state for key, each in there.results.items()} == {
        key: each.state for key, each in here.results.items()
    }
    assert dask.workers == 2


class Gate:
    """A database service that lets nobody through until it is opened, and then knows of no database."""

    EMPTY = (
        b"<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances/></DescribeDBInstancesResult>"
        b"</DescribeDBInstancesResponse>"
    )

    def __init__(self) -> None:
        gate = self
        self.opened = threading.Event()
        self.came = threading.Semaphore(0)
        self.count = 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                gate.count += 1
                gate.came.release()
                gate.opened.wait()
                with suppress(OSError):  # whoever asked may be dead by now
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(gate.EMPTY)))
                    self.end_headers()
                    self.wfile.write(gate.EMPTY)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def wait_for(self, calls: int) -> None:
        for _ in range(calls):
            assert self.came.acquire(timeout=60)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, aws: Any) -> Iterator[Gate]:
    made = Gate()
    monkeypatch.setenv("AWS_ENDPOINT_URL_RDS", made.url)
    yield made
    made.opened.set()
    made.server.shutdown()
    made.server.server_close()


REGIONS = ["eu-west-1", "eu-west-2", "eu-west-3", "us-east-1", "us-east-2", "us-west-1", "us-west-2", "sa-east-1"]
DATABASES: dict[str, Any] = {"services": ["rds_instance"], "accounts": ["prod"], "regions": REGIONS}


@pytest.mark.parametrize("forgiving", [True, False])
def test_cells_of_a_killed_worker_are_read_by_another_or_reported_as_lost(
    *, gate: Gate, make_scanner: Callable[..., Any], collect: Callable[..., Any], forgiving: bool
) -> None:
    import dask
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 3 if forgiving else 0}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=NO_PORT) as cluster,
        DaskCluster(cluster.scheduler_address) as executor,
        ThreadPoolExecutor(1) as aside,
    ):
        victim, *_ = executor._client.run(os.getpid).values()
        scan = aside.submit(collect, make_scanner(executor=executor), **DATABASES)
        gate.wait_for(len(REGIONS))
        os.kill(victim, signal.SIGKILL)
        if forgiving:
            gate.wait_for(len(REGIONS) // 2)
        else:
            wait_until(lambda: len(executor._client.scheduler_info(n_workers=-1)["workers"]) < 2)
        gate.opened.set()
        results = scan.result(timeout=120).results.values()
    lost = [each for each in results if each.state is CellState.ERROR]
    assert len(results) == len(REGIONS)
    assert {each.state for each in results} - {CellState.ERROR} == {CellState.OK_EMPTY}
    assert not lost if forgiving else 0 < len(lost) < len(REGIONS)
    assert all(each.detail.startswith("its worker failed: KilledWorker") for each in lost)


def test_closing_a_scan_of_a_cluster_lets_no_further_call_begin(
    gate: Gate, make_scanner: Callable[..., Any], dask: DaskCluster
) -> None:
    scanner = make_scanner(executor=dask, threads=1)

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    items = scanner.scan(**{**DATABASES, "services": ["rds_instance", "sqs_queue"]}, progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(items)
    begun = gate.count
    gate.opened.set()
    wait_until(lambda: not any(dask._client.processing().values()))
    assert gate.count <= begun + 2
    assert gate.count < len(REGIONS)
    taken = {item.key for item in scanner.unread()}
    left = {each.key: each.state for each in scanner.remaining()}
    assert set(left.values()) <= {CellState.PENDING, CellState.PARTIAL}
    assert len(left) + len(taken - left.keys()) >= 2 * len(REGIONS) - 1


def test_a_cluster_that_loses_its_last_worker_ends_every_cell(
    gate: Gate, make_scanner: Callable[..., Any], collect: Callable[..., Any], cluster: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("cloudops_nb.scanner.running.remote_run._MAX_SECONDS_WITHOUT_WORKERS", 0.5)
    with DaskCluster(cluster.scheduler_address) as executor, ThreadPoolExecutor(1) as aside:
        scan = aside.submit(collect, make_scanner(executor=executor, threads=1), **DATABASES)
        gate.wait_for(2)
        cluster.scale(0)
        results = scan.result(timeout=120).results.values()
    assert len(results) == len(REGIONS)
    assert {each.state for each in results} == {CellState.ERROR}
    assert {each.detail for each in results} == {"the cluster has no workers"}


def test_what_is_no_usable_cluster_is_refused(cluster: Any, unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as hasty:
        hasty.setattr("cloudops_nb.scanner.running.dask_cluster._TIMEOUT", 1)
        with pytest.raises(ConfigurationError, match="no Dask scheduler responds at"):
            DaskCluster(f"tcp://127.0.0.1:{unused_port}")
    with monkeypatch.context() as other:
        other.setattr("cloudops_nb.scanner.running.dask_cluster.VERSION", "0.0.0")
        with pytest.raises(ConfigurationError, match=r"all must run cloudops_nb 0\.0\.0"):
            DaskCluster(cluster.scheduler_address)
    cluster.scale(0)
    wait_until(lambda: not cluster.scheduler_info["workers"])
    with pytest.raises(ConfigurationError, match="the cluster has no workers"):
        DaskCluster(cluster.scheduler_address)


# --- any other executor


class Inline(Executor):
    """Runs what is submitted at once, in the thread that submits it."""

    def submit(self, function: Any, /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **keywords))
        return future


def test_any_executor_will_do(make_scanner: Callable[..., Any], collect: Callable[..., Any]) -> None:
    found = collect(make_scanner(executor=Inline()), **CHOICE)
    assert found.names("s3_bucket") == ["far-bucket", "near-bucket"]
    assert {each.state for each in found.results.values()} <= {CellState.OK, CellState.OK_EMPTY}


def test_processes_read_cells_and_a_killed_one_ends_them(
    gate: Gate, make_scanner: Callable[..., Any], collect: Callable[..., Any]
) -> None:
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
        ThreadPoolExecutor(1) as aside,
    ):
        whole = collect(make_scanner(executor=pool), services=["dynamodb_table"])
        assert whole.names("dynamodb_table") == ["carts", "offers", "orders"]
        scan = aside.submit(collect, make_scanner(executor=pool), **DATABASES)
        gate.wait_for(2)
        os.kill(next(iter(pool._processes)), signal.SIGKILL)
        results = scan.result(timeout=120).results.values()
    assert len(results) == len(REGIONS)
    assert {each.state for each in results} == {CellState.ERROR}
    assert all(each.detail.startswith("its worker failed: BrokenProcessPool") for each in results)


def test_learned_rates_travel_with_tasks_and_come_back(
    make_scanner: Callable[..., Any], collect: Callable[..., Any]
) -> None:
    known = LearnedRate(PROD, "eu-west-1", "rds", "all", 3.0, datetime.now(UTC))
    scanner = make_scanner(executor=Inline(), learned=[known])
    collect(scanner, services=["rds_instance"])
    (kept,) = scanner.learned()
    assert (kept.place, kept.per_second) == (known.place, 3.0)


def test_an_account_that_asks_for_a_code_is_not_sent_to_other_processes(
    make_scanner: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: "123456")
    account = Account(
        name="stage", role_arn=f"arn:aws:iam::{STAGE}:role/audit/Scan", source_profile="prod", mfa_serial=MFA
    )
    scanner = make_scanner((account,), executor=Inline())
    with pytest.raises(ConfigurationError, match="its profile or role asks for an MFA code"):
        scanner.scan(regions=["eu-west-1"])


MFA = f"arn:aws:iam::{PROD}:mfa/person"


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
