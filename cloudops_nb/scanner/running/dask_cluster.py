"""A Dask cluster as an executor of scans; needs the ``dask`` extra."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.scanner.running.remote_worker import RemoteTask, ScanParameters, stop_remote_scan
from cloudops_nb.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Client

#: Seconds within which the scheduler must respond.
_TIMEOUT = 15.0
_WORKERS_FIX = f"Start workers with cloudops_nb {VERSION} installed."


class DaskCluster(Executor):
    """Runs functions on a Dask cluster. All tasks of one account and region run on the same worker while it lives.

    The configuration of accounts and the declarations of resource types go to the workers, and resources come back, see
    :mod:`cloudops_nb.scanner.running.remote_worker`. Credentials never cross the network. The traffic is encrypted only
    if the cluster uses TLS (a ``tls://`` address). A worker that is short of memory writes data to its disk. A person
    who controls the cluster can run code in this process, so connect only to your own cluster.

    If a worker dies, a different worker runs its tasks from the start, as often as the scheduler's
    ``allowed-failures`` setting permits.

    Args:
        address: The scheduler's address, for example ``tcp://10.0.0.5:8786``.

    Raises:
        ConfigurationError: The package ``distributed`` is not installed, the scheduler does not respond, the cluster
            has no workers, or its workers run a different version of ``cloudops_nb``.
    """

    def __init__(self, address: str) -> None:
        self._client = _connected_client(address)
        #: The address of the worker that runs the tasks of an account and region.
        self._worker_of: dict[tuple[str, str], str] = {}
        try:
            self._check_versions()
        except ConfigurationError:
            self._client.close()
            raise

    @property
    def workers(self) -> int:
        """The current number of workers."""
        return len(self._live_addresses())

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        """Run a function on a worker, outside the worker's thread pool, so that a wait for AWS blocks no other task.

        A function with a :class:`RemoteTask` among its arguments runs on the worker for the task's account and region.
        """
        preferred_workers = [self._worker_for(each) for each in arguments if isinstance(each, RemoteTask)]
        # By default, Dask returns the result of an earlier identical call, but every scan must read again (pure=False).
        # If the preferred worker has died, a different worker runs the function.
        executor = self._client.get_executor(
            pure=False, workers=preferred_workers or None, allow_other_workers=bool(preferred_workers)
        )
        future: Future[Any] = executor.submit(_run_seceded, function, *arguments, **keywords)
        return future

    def stop(self, scan: ScanParameters) -> None:
        """Tell every worker to start no further call of a scan; does not wait for the workers."""
        # A worker that has died cannot respond, and has nothing to stop.
        self._client.run(stop_remote_scan, scan, wait=False, on_error="ignore")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Disconnect from the cluster, which keeps running."""
        del wait, cancel_futures  # Dask drops the tasks of a client that disconnects
        self._client.close()

    def _worker_for(self, remote_task: RemoteTask) -> str:
        addresses = self._live_addresses()
        address = self._worker_of.get(remote_task.account_region, "")
        if address not in addresses and addresses:
            # Give each new pair of account and region to the next worker.
            address = self._worker_of[remote_task.account_region] = addresses[len(self._worker_of) % len(addresses)]
        return address

    def _live_addresses(self) -> list[str]:
        # By default, some versions of distributed return only five workers; -1 means all.
        return sorted(self._client.scheduler_info(n_workers=-1).get("workers", ()))

    def _check_versions(self) -> None:
        try:
            versions = set(self._client.run(_worker_version).values())
        except Exception as error:
            raise ConfigurationError("the Dask workers cannot scan", str(error), _WORKERS_FIX) from error
        if not versions:
            raise ConfigurationError("the Dask workers cannot scan", "the cluster has no workers", _WORKERS_FIX)
        if versions != {VERSION}:
            why = f"all must run cloudops_nb {VERSION}, but they run {', '.join(sorted(versions))}"
            raise ConfigurationError("the Dask workers cannot scan", why, _WORKERS_FIX)


def _connected_client(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        fix = "Run pip install 'cloudops-nb[dask]'."
        raise ConfigurationError("a scan on a Dask cluster needs the package 'distributed'", str(error), fix) from error
    try:
        # The client must not become the default client of the user's own Dask code in this process.
        return Client(address, timeout=_TIMEOUT, set_as_default=False, name="cloudops-nb")
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        fix = "Check that the scheduler is running, and give its address as dask:tcp://HOST:PORT."
        raise ConfigurationError(f"no Dask scheduler responds at {address}", str(error), fix) from error


def _worker_version() -> str:
    return VERSION


def _run_seceded(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Leave the worker's thread pool, so that the next task can start at once, and then run the function."""
    from distributed import secede

    secede()
    return function(*arguments, **keywords)
