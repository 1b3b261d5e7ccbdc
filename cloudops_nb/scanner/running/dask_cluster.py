"""A Dask cluster as an executor of scans; needs the ``dask`` extra."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.scanner.running.remote_worker import RemoteScan, RemoteTask, stop_remote_scan
from cloudops_nb.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Client

#: Seconds within which a scheduler must answer.
_TIMEOUT = 15.0
_START = "Start workers that can import cloudops_nb of this version."


class DaskCluster(Executor):
    """Runs functions on a Dask cluster; the tasks of one account and region run on one worker while it lives.

    :mod:`cloudops_nb.scanner.running.remote_worker` says what crosses the network: the accounts' configuration and
    declarations to the workers, resources back; never credentials. Dask encrypts this traffic only if the cluster does
    (``tls://``), and workers short of memory spill to their disks. A controller of the cluster can run code in this
    process, so connect only to your own cluster.

    If a worker dies, another one reads its cells from the start, as often as the scheduler's ``allowed-failures``
    permits.

    Args:
        address: The scheduler's address, for example ``tcp://10.0.0.5:8786``.

    Raises:
        ConfigurationError: ``distributed`` is not installed, no scheduler answers, or the workers lack this version of
            the package.
    """

    def __init__(self, address: str) -> None:
        self._client = _connected_client(address)
        self._worker_of: dict[tuple[str, str], str] = {}
        try:
            self._check_versions()
        except ConfigurationError:
            self._client.close()
            raise

    @property
    def workers(self) -> int:
        """The number of workers that the cluster has at the moment."""
        return len(self._addresses())

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        """Run a function on a worker, in a thread of its own, so that waiting for AWS blocks no other task."""
        wanted = [self._worker_for(each) for each in arguments if isinstance(each, RemoteTask)]
        # Dask answers an equal call of a pure function with the earlier result, but every scan must read again.
        # Another worker may run the task if the wanted one has died.
        chosen = self._client.get_executor(pure=False, workers=wanted or None, allow_other_workers=bool(wanted))
        future: Future[Any] = chosen.submit(_run_seceded, function, *arguments, **keywords)
        return future

    def stop(self, scan: RemoteScan) -> None:
        """Tell every worker to start no further call of a scan; does not wait."""
        # A worker that has died cannot answer, and has nothing to stop.
        self._client.run(stop_remote_scan, scan, wait=False, on_error="ignore")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Disconnect; the cluster keeps running."""
        del wait, cancel_futures  # running tasks belong to this connection and end with it
        self._client.close()

    def _worker_for(self, remote_task: RemoteTask) -> str:
        known = self._addresses()
        address = self._worker_of.get(remote_task.account_region, "")
        if address not in known and known:
            address = self._worker_of[remote_task.account_region] = known[len(self._worker_of) % len(known)]
        return address

    def _addresses(self) -> list[str]:
        # Some versions of distributed return only five workers unless asked for all.
        return sorted(self._client.scheduler_info(n_workers=-1).get("workers", ()))

    def _check_versions(self) -> None:
        try:
            versions = set(self._client.run(_worker_version).values())
        except Exception as error:
            raise ConfigurationError("the Dask workers cannot scan", str(error), _START) from error
        if versions != {VERSION}:
            found = ", ".join(sorted(versions)) or "there are none"
            raise ConfigurationError("the Dask workers cannot scan", f"their version is not {VERSION}: {found}", _START)


def _connected_client(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        fix = "pip install 'cloudops-nb[dask]'"
        raise ConfigurationError("a scan on a Dask cluster needs distributed", str(error), fix) from error
    try:
        # The client must not become the default of the user's own Dask code in this process.
        return Client(address, timeout=_TIMEOUT, set_as_default=False, name="cloudops-nb")
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        fix = "Give it as dask:tcp://HOST:PORT."
        raise ConfigurationError(f"no Dask scheduler answers at {address}", str(error), fix) from error


def _worker_version() -> str:
    return VERSION


def _run_seceded(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Run a function in a worker's thread that makes room for the next task at once."""
    from distributed import secede

    secede()
    return function(*arguments, **keywords)
