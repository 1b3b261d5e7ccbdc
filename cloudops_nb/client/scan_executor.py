"""What reads the cells of a scan, by name."""

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
    """Lend an executor: one that is given, or the one that ``dask:ADDRESS`` names, which is let go of afterwards.

    Raises:
        ConfigurationError: There is no executor of that name, or it cannot be used.
    """
    if not isinstance(executor, str):
        yield executor
        return
    name, _, address = executor.partition(":")
    if name != _DASK or not address:
        raise ConfigurationError(f"unknown executor {executor}", "", "Use dask:ADDRESS, as dask:tcp://10.0.0.5:8786.")
    from cloudops_nb.scanner.running.dask_cluster import DaskCluster

    with DaskCluster(address) as cluster:
        yield cluster
