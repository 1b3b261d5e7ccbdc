"""Network file systems: their locks fail or lie between hosts, so no store lies on one."""

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
    """A mounted file system: where, and of which type."""

    mountpoint: str
    fstype: str


def refuse_network_file_system(path: Path, mounts: Iterable[Mount] | None = None) -> None:
    """Refuse a folder on a network file system, whether it exists yet or not; an unknown type passes.

    Args:
        path: The folder.
        mounts: What is mounted, in order of mounting; asked of the operating system if not given.

    Raises:
        InitialisationError: The folder lies on a network file system.
    """
    found = file_system_of(path, _mounted() if mounts is None else mounts)
    if found is not None and _networked(found.fstype):
        why = f"{found.mountpoint} is a network file system ({found.fstype}), whose locks do not protect a store"
        raise InitialisationError(f"the data path {path} cannot be used", why, "Choose a data_path on a local disk.")


def file_system_of(path: Path, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount that a path lies on, links followed; ``None`` if no mount is known."""
    resolved = path.resolve()
    holding = [mount for mount in mounts if resolved.is_relative_to(mount.mountpoint)]
    # Of two at one place, the later covers the earlier.
    return max(reversed(holding), key=lambda mount: len(Path(mount.mountpoint).parts), default=None)


def _networked(fstype: str) -> bool:
    kind = fstype.casefold()
    types, user_space = _network_file_systems()
    return kind in types or (kind.startswith(_FUSE) and kind.removeprefix(_FUSE) in types | user_space)


@cache
def _network_file_systems() -> tuple[frozenset[str], frozenset[str]]:
    declared = bundled_table(__package__, "network_file_systems.yaml")
    return frozenset(declared["types"]), frozenset(declared["user_space"])


def _mounted() -> list[Mount]:
    import psutil

    return [Mount(partition.mountpoint, partition.fstype) for partition in psutil.disk_partitions(all=True)]
