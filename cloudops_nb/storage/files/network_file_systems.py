"""Refuses data paths on network file systems, whose locks do not work reliably between hosts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import InitialisationError

if TYPE_CHECKING:
    from collections.abc import Iterable

_FUSE = "fuse."


class Mount(NamedTuple):
    """A mounted file system: its mount point and its type."""

    mountpoint: str
    fstype: str


def refuse_network_file_system(path: Path, mounts: Iterable[Mount] | None = None) -> None:
    """Raise if a folder is on a network file system, also if it does not exist yet; unknown types are accepted.

    Args:
        path: The folder.
        mounts: The mounted file systems in order of mounting; the operating system's list if not given.

    Raises:
        InitialisationError: The folder is on a network file system.
    """
    found = file_system_of(path, _system_mounts() if mounts is None else mounts)
    if found is not None and _is_network_type(found.fstype):
        why = f"{found.mountpoint} is a network file system ({found.fstype}), whose locks do not protect a store"
        raise InitialisationError(f"the data path {path} cannot be used", why, "Choose a data_path on a local disk.")


def file_system_of(path: Path, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount that holds a path, after resolving links; ``None`` if no known mount does."""
    resolved = path.resolve()
    holding = [mount for mount in mounts if resolved.is_relative_to(mount.mountpoint)]
    # Of two mounts on one mount point, the later covers the earlier.
    return max(reversed(holding), key=lambda mount: len(Path(mount.mountpoint).parts), default=None)


def _is_network_type(fstype: str) -> bool:
    kind = fstype.casefold()
    types, user_space = _network_file_systems()
    return kind in types or (kind.startswith(_FUSE) and kind.removeprefix(_FUSE) in types | user_space)


@cache
def _network_file_systems() -> tuple[frozenset[str], frozenset[str]]:
    declared = bundled_table(__package__, "network_file_systems.yaml")
    return frozenset(declared["types"]), frozenset(declared["user_space"])


def _system_mounts() -> list[Mount]:
    import psutil

    return [Mount(partition.mountpoint, partition.fstype) for partition in psutil.disk_partitions(all=True)]
