"""The owner process's files and socket, and the shared secret that authenticates owner and client to each other."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.files.private_files import replace_private

#: Protocol version, increased with every change that an older owner or client would not understand.
PROTOCOL = 4
#: Longest path of a Unix socket, in bytes: 107 on Linux (man 7 unix), 103 on macOS.
LONGEST_ADDRESS = 103
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class OwnerPaths:
    """The files of one data path's owner: ``folder`` (0700) holds them and the shards, all 0600."""

    data_path: Path

    @property
    def folder(self) -> Path:
        """The folder of the shards, one directory per collection."""
        return self.data_path / "qdrant"

    @property
    def lock(self) -> Path:
        """The lock that the owner holds for its whole life; the only sign that an owner is running."""
        return self.folder / "owner.lock"

    @property
    def start_lock(self) -> Path:
        """The lock of the client that is starting an owner."""
        return self.folder / "start.lock"

    @property
    def tidying(self) -> Path:
        """The lock of a former owner that is optimising the shards."""
        return self.folder / "tidying.lock"

    @property
    def tidier(self) -> Path:
        """The file with the process id of the optimising process; it stays if that process is killed."""
        return self.folder / "tidying.pid"

    @property
    def endpoint(self) -> Path:
        """The file with the :class:`Endpoint` of the latest owner."""
        return self.folder / "owner.json"

    @property
    def log(self) -> Path:
        """The owner's log: starts, stops and faults, never a value of the store."""
        return self.folder / "owner.log"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of an owner: its socket, the handshake's secret, its process id and its protocol version."""

    address: str
    secret: bytes = field(repr=False)
    pid: int
    protocol: int = PROTOCOL

    @classmethod
    def fresh(cls, data_path: Path) -> Endpoint:
        """Return a new endpoint of this process with a new secret, after creating the socket's folder."""
        return cls(socket_address(data_path), secrets.token_bytes(_SECRET_BYTES), os.getpid())

    @classmethod
    def read(cls, path: Path) -> Endpoint | None:
        """Read the endpoint of the latest owner; ``None`` if the file is missing or invalid."""
        try:
            data = json.loads(path.read_bytes())
            return cls(data["address"], bytes.fromhex(data["secret"]), data["pid"], data["protocol"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write the file for clients, atomically, with mode 0600."""
        data = {"address": self.address, "secret": self.secret.hex(), "pid": self.pid, "protocol": self.protocol}
        replace_private(path, json.dumps(data).encode())


def socket_address(data_path: Path) -> str:
    """Choose a short path for a new socket in a private folder of the user, and remove the sockets of earlier owners.

    The caller holds the data path's lock, so every earlier owner has ended or serves a deleted folder.

    Raises:
        StoreUnavailableError: No short private folder is available.
    """
    path_digest = hashlib.sha256(os.fsencode(data_path.resolve())).hexdigest()[:16]
    for folder in _socket_folders():
        address = str(folder / f"{path_digest}-{secrets.token_hex(4)}.sock")
        if len(os.fsencode(address)) <= LONGEST_ADDRESS and _is_private(folder):
            for stale in folder.glob(f"{path_digest}-*.sock"):
                stale.unlink(missing_ok=True)
            return address
    fix = "Set XDG_RUNTIME_DIR to a short path that only you can enter."
    raise StoreUnavailableError("the store's socket cannot be created", "there is no short private folder for it", fix)


def _socket_folders() -> list[Path]:
    """Return folders for sockets, best first: in the session's runtime directory, then among temporary files."""
    ours = f"cloudops-nb-{os.geteuid()}"
    session = os.environ.get("XDG_RUNTIME_DIR")
    return [*([Path(session) / ours] if session else []), Path(tempfile.gettempdir()) / ours, Path("/tmp") / ours]  # noqa: S108 - created with mode 0700 and checked


def _is_private(folder: Path) -> bool:
    """Create the folder, or check that it belongs to the user and only the user can enter it; a link is refused."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
