"""Refuses data paths on network file systems, where file locks do not work reliably between hosts."""

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
    """Raise if a folder is on a network file system; file systems of unknown types are accepted.

    Args:
        path: The folder, which need not exist yet.
        mounts: The mounted file systems in order of mounting; by default, those that the operating system lists.

    Raises:
        InitialisationError: The folder is on a network file system.
    """
    mount = file_system_of(path, _system_mounts() if mounts is None else mounts)
    if mount is not None and _is_network_type(mount.fstype):
        why = f"{mount.mountpoint} is a network file system ({mount.fstype}), and its locks cannot protect a store"
        raise InitialisationError(f"the data path {path} cannot be used", why, "Choose a data_path on a local disk.")


def file_system_of(path: Path, mounts: Iterable[Mount]) -> Mount | None:
    """Return the innermost mount that contains a path, after resolving its links; ``None`` if no mount does."""
    resolved = path.resolve()
    containing = [mount for mount in mounts if resolved.is_relative_to(mount.mountpoint)]
    # If two mounts have the same mount point, the later one hides the earlier one. The list is reversed, because max
    # returns the first of several equal items.
    return max(reversed(containing), key=lambda mount: len(Path(mount.mountpoint).parts), default=None)


def _is_network_type(fstype: str) -> bool:
    name = fstype.casefold()
    types, fuse_types = _network_file_systems()
    return name in types or (name.startswith(_FUSE) and name.removeprefix(_FUSE) in types | fuse_types)


@cache
def _network_file_systems() -> tuple[frozenset[str], frozenset[str]]:
    """Return two sets of network file systems: types of any mount, and types that count only after ``fuse.``."""
    declared = bundled_table(__package__, "network_file_systems.yaml")
    return frozenset(declared["types"]), frozenset(declared["user_space"])


def _system_mounts() -> list[Mount]:
    import psutil

    return [Mount(partition.mountpoint, partition.fstype) for partition in psutil.disk_partitions(all=True)]
