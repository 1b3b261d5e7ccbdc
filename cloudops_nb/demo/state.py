"""What a demo server tells about itself, and where: a folder with its state, its lock and its log."""

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
    """A server's process id, port (0 until it is ready), start (UTC, ISO 8601), and what it was started with."""

    pid: int
    port: int
    seed: int
    transition_seconds: float
    started: str

    @property
    def ready(self) -> bool:
        """Whether the estate stands and the port is open."""
        return self.port > 0

    @property
    def endpoint(self) -> str:
        """The URL on the loopback interface."""
        return LOOPBACK_URL.format(port=self.port)

    def opened(self, port: int) -> Self:
        """Return the state of the same server once it listens."""
        return replace(self, port=port)

    def write(self, path: Path) -> None:
        """Replace the state file in one step, so that a reader sees the old or the new one, whole."""
        write_private(state_path(path), json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what the last server of a folder wrote, if it did.

        Raises:
            ConfigurationError: The file is there and is not one of ours.
        """
        try:
            data: dict[str, Any] = json.loads(state_path(path).read_text(encoding="utf-8"))
            return cls(**data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"cannot read {state_path(path)}", str(error), "Remove the demo's folder and start it again."
            ) from error


def state_path(path: Path) -> Path:
    """Where the state file of a demo folder is."""
    return path / "server.json"


def alive_path(path: Path) -> Path:
    """Where the lock is that the server holds while it lives."""
    return path / "server.lock"


def hold_path(path: Path) -> Path:
    """Where the file is that keeps the server's transitions from ending while it exists."""
    return path / "transitions.held"


def log_path(path: Path) -> Path:
    """Where the server's errors go."""
    return path / "server.log"


def make_private_folder(path: Path) -> None:
    """Create a folder that only its owner may enter, with its parents."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    aside.replace(path)


def utcnow() -> str:
    """The time now, UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
