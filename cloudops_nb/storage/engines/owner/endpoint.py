"""Where the owner process of a data path is found: its files, its socket, and the secret that both sides know."""

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

#: Raised with every change that an owner and a client of different versions would not both understand.
PROTOCOL = 4
#: Linux allows 107 bytes, macOS 103.
LONGEST_ADDRESS = 103
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class OwnerPaths:
    """The files of one data path's owner: ``folder`` (0700) holds them and the shards, all 0600."""

    data_path: Path

    @property
    def folder(self) -> Path:
        """Where the shards lie, one directory a collection."""
        return self.data_path / "qdrant"

    @property
    def lock(self) -> Path:
        """Held by the owner for its whole life: this, and nothing else, says that it lives."""
        return self.folder / "owner.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one client that is starting an owner."""
        return self.folder / "start.lock"

    @property
    def tidying(self) -> Path:
        """Held by an owner that is none any more, and is making the shards faster to open."""
        return self.folder / "tidying.lock"

    @property
    def tidier(self) -> Path:
        """The process id of the one that tidies; it stays where that was ended before it was done."""
        return self.folder / "tidying.pid"

    @property
    def endpoint(self) -> Path:
        """The :class:`Endpoint` of the latest owner."""
        return self.folder / "owner.json"

    @property
    def log(self) -> Path:
        """What the owner reports: starts, stops and faults, never a value of the store."""
        return self.folder / "owner.log"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How to reach an owner: its socket, the secret of the handshake, its process id and its protocol version."""

    address: str
    secret: bytes = field(repr=False)
    pid: int
    protocol: int = PROTOCOL

    @classmethod
    def fresh(cls, data_path: Path) -> Endpoint:
        """Make this process's endpoint, with a new secret; the socket's folder exists afterwards."""
        return cls(socket_address(data_path), secrets.token_bytes(_SECRET_BYTES), os.getpid())

    @classmethod
    def read(cls, path: Path) -> Endpoint | None:
        """Read what the latest owner wrote; ``None`` where there is nothing or nothing usable."""
        try:
            data = json.loads(path.read_bytes())
            return cls(data["address"], bytes.fromhex(data["secret"]), data["pid"], data["protocol"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Write it for clients, atomically, with mode 0600."""
        data = {"address": self.address, "secret": self.secret.hex(), "pid": self.pid, "protocol": self.protocol}
        replace_private(path, json.dumps(data).encode())


def socket_address(data_path: Path) -> str:
    """Choose a new socket's path, short and in a private folder of the user's; sockets of dead owners are removed.

    The caller holds the data path's lock, so whoever else had a socket for it is dead, or serves a deleted folder.

    Raises:
        StoreUnavailableError: No private folder can be had.
    """
    place = hashlib.sha256(os.fsencode(data_path.resolve())).hexdigest()[:16]
    for folder in _folders():
        address = str(folder / f"{place}-{secrets.token_hex(4)}.sock")
        if len(os.fsencode(address)) <= LONGEST_ADDRESS and _private(folder):
            for stale in folder.glob(f"{place}-*.sock"):
                stale.unlink(missing_ok=True)
            return address
    fix = "Set XDG_RUNTIME_DIR to a short path that only you can enter."
    raise StoreUnavailableError("the store's socket cannot be made", "there is no short private folder for it", fix)


def _folders() -> list[Path]:
    """Where sockets may go, the best first: the session's own folder, else one of the user's among temporary files."""
    ours = f"cloudops-nb-{os.geteuid()}"
    session = os.environ.get("XDG_RUNTIME_DIR")
    return [*([Path(session) / ours] if session else []), Path(tempfile.gettempdir()) / ours, Path("/tmp") / ours]  # noqa: S108 - made 0700 and checked


def _private(folder: Path) -> bool:
    """Make the folder, or check that nobody else made it or can enter it; a link counts as somebody else's."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
