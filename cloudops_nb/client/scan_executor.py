"""Opens the executor that reads for a scan in place of the process's own threads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudops_nb.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

_DASK = "dask"


@contextmanager
def opened_executor(executor: Executor | str | None) -> Iterator[Executor | None]:
    """Yield the given executor, or connect to the Dask cluster that ``dask:ADDRESS`` names and disconnect afterwards.

    Raises:
        ConfigurationError: The string is not ``dask:ADDRESS``, or the cluster cannot be used.
    """
    if not isinstance(executor, str):
        yield executor
        return
    name, _, address = executor.partition(":")
    if name != _DASK or not address:
        raise ConfigurationError(
            f"unknown executor {executor}", "", "Use dask:ADDRESS, for example dask:tcp://10.0.0.5:8786."
        )
    from cloudops_nb.scanner.running.dask_cluster import DaskCluster

    with DaskCluster(address) as cluster:
        yield cluster
