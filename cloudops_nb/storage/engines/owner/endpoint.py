"""The files of an owner process, the address of its socket, and the secret with which owner and client authenticate.

The owner process opens the shards (the folders of the collections) of one data path; notebook kernels are its clients.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.files.private_files import replace_private

#: Version of the protocol between client and owner, increased with every incompatible change.
PROTOCOL = 5
#: Longest path of a Unix socket, in bytes: 107 on Linux (man 7 unix), 103 on macOS.
LONGEST_ADDRESS = 103
_SECRET_BYTES = 32
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OwnerPaths:
    """The paths of the files that the owner of one data path uses.

    ``folder`` has mode 0700. It contains the shards and all other files here, which have mode 0600. Owners of earlier
    versions use the same file names, so the names must not change.
    """

    data_path: Path

    @property
    def folder(self) -> Path:
        """The folder that contains the shards, one folder per collection."""
        return self.data_path / "qdrant"

    @property
    def lock(self) -> Path:
        """The lock file that the owner keeps locked from before it opens the shards until it has closed them.

        Only this lock shows reliably whether an owner is running.
        """
        return self.folder / "owner.lock"

    @property
    def start_lock(self) -> Path:
        """The lock file that a client keeps locked while it starts an owner."""
        return self.folder / "start.lock"

    @property
    def optimisation_lock(self) -> Path:
        """The lock file that an owner keeps locked while it optimises the shards, after it has stopped serving."""
        return self.folder / "tidying.lock"

    @property
    def optimiser_pid(self) -> Path:
        """The file with the process id of the optimising process; if that process is killed, the file stays."""
        return self.folder / "tidying.pid"

    @property
    def endpoint(self) -> Path:
        """The file with the :class:`Endpoint` of the latest owner."""
        return self.folder / "owner.json"

    @property
    def log(self) -> Path:
        """The owner's log of starts, stops and faults; it contains no value of the store."""
        return self.folder / "owner.log"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The data with which a client reaches an owner.

    Attributes:
        address: The path of the socket.
        secret: The random secret; owner and client prove to each other that they know it.
        pid: The owner's process id.
        protocol: The owner's protocol version.
    """

    address: str
    secret: bytes = field(repr=False)
    pid: int
    protocol: int = PROTOCOL

    @classmethod
    def fresh(cls, data_path: Path) -> Endpoint:
        """Return an endpoint for this process with a new secret and a new socket address (:func:`socket_address`)."""
        return cls(socket_address(data_path), secrets.token_bytes(_SECRET_BYTES), os.getpid())

    @classmethod
    def read(cls, path: Path) -> Endpoint | None:
        """Read the endpoint of the latest owner; returns ``None`` if the file is missing or invalid."""
        try:
            data = json.loads(path.read_bytes())
            return cls(data["address"], bytes.fromhex(data["secret"]), data["pid"], data["protocol"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the endpoint to the file that clients read, atomically, with mode 0600."""
        data = {"address": self.address, "secret": self.secret.hex(), "pid": self.pid, "protocol": self.protocol}
        replace_private(path, json.dumps(data).encode())


def socket_address(data_path: Path) -> str:
    """Choose a short path for a new socket in a private folder of the user, and remove the sockets of earlier owners.

    The caller holds :attr:`OwnerPaths.lock`. So every earlier owner has ended, or its data path was deleted.

    Raises:
        StoreUnavailableError: No candidate folder is private and has a path that is short enough.
    """
    path_digest = hashlib.sha256(os.fsencode(data_path.resolve())).hexdigest()[:16]
    for folder in _socket_folders():
        address = str(folder / f"{path_digest}-{secrets.token_hex(4)}.sock")
        if len(os.fsencode(address)) <= LONGEST_ADDRESS and _is_private(folder):
            for stale in folder.glob(f"{path_digest}-*.sock"):
                stale.unlink(missing_ok=True)
            return address
    # Another user may have taken the usual names, by accident or to deny service. A folder with a random name serves as
    # well, because clients find the socket by the endpoint file.
    address = str(Path(tempfile.mkdtemp(prefix=f"{_folder_name()}-")) / f"{path_digest}.sock")
    if len(os.fsencode(address)) <= LONGEST_ADDRESS:
        _log.warning("no usual folder for sockets is private; using %s", address)
        return address
    why = "every folder for it has too long a path, or other users can access it"
    fix = "Set XDG_RUNTIME_DIR to a folder with a short path that only you can access."
    raise StoreUnavailableError("the store's socket cannot be created", why, fix)


def remove_socket_folder(address: str) -> None:
    """Remove the folder of a closed socket if :func:`socket_address` made it for this socket alone."""
    folder = Path(address).parent
    if folder.name.startswith(f"{_folder_name()}-"):
        with suppress(OSError):
            folder.rmdir()


def _folder_name() -> str:
    return f"cloudops-nb-{os.geteuid()}"


def _socket_folders() -> list[Path]:
    """Return the candidate folders for sockets, best first: in the user's runtime folder, then in temporary folders."""
    name = _folder_name()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return [*([Path(runtime) / name] if runtime else []), Path(tempfile.gettempdir()) / name, Path("/tmp") / name]  # noqa: S108 - created with mode 0700 and checked


def _is_private(folder: Path) -> bool:
    """Create the folder if it is missing; returns whether it is a real folder that only this user can access."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
