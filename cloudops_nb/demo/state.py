"""The files in a demo's folder: the server's state, lock and log, and a file that stops state transitions from ending.

A *transition* is the time that an EC2 or RDS resource spends in a state such as ``stopping``.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from cloudops_nb.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK_URL = "http://127.0.0.1:{port}"


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server's process id, port (0 until the server is ready), options, and time of start (UTC, ISO 8601)."""

    pid: int
    port: int
    seed: int
    transition_seconds: float
    started: str

    @property
    def ready(self) -> bool:
        """Whether all resources exist and the port is open."""
        return self.port > 0

    @property
    def endpoint(self) -> str:
        """The URL of the server, on the loopback interface."""
        return LOOPBACK_URL.format(port=self.port)

    def opened(self, port: int) -> Self:
        """Return a copy of this state with the port that the server has opened."""
        return replace(self, port=port)

    def write(self, path: Path) -> None:
        """Replace the folder's state file atomically, so that a reader sees either the old state or the new one."""
        write_private(state_path(path), json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the state that the folder's last server wrote; ``None`` if there is no state file.

        Raises:
            ConfigurationError: The state file cannot be read or is invalid.
        """
        try:
            data: dict[str, Any] = json.loads(state_path(path).read_text(encoding="utf-8"))
            return cls(**data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"cannot read {state_path(path)}", str(error), "Remove the demo's folder, and start the demo again."
            ) from error


def state_path(path: Path) -> Path:
    """Return the path of a demo folder's state file."""
    return path / "server.json"


def alive_path(path: Path) -> Path:
    """Return the path of the file that the server keeps locked while it is alive."""
    return path / "server.lock"


def hold_path(path: Path) -> Path:
    """Return the path of the hold file; while this file exists, no transition in the server ends."""
    return path / "transitions.held"


def log_path(path: Path) -> Path:
    """Return the path of the server's log."""
    return path / "server.log"


def make_private_folder(path: Path) -> None:
    """Create a folder that only its owner can open; missing parent folders get the default permissions."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; replace an existing file atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(path)


def utcnow() -> str:
    """Return the current UTC time as ISO 8601 text, in whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
