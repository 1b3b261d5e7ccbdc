"""Starts, finds and stops the server process of a demo folder.

A server counts as alive while it holds an operating-system lock; a process with its id is not enough. A killed server
leaves its state file behind, but its lock is free. So the killed server does not count as alive, and a different
process that later gets the same id never gets a signal.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cloudops_nb.demo.state import ServerState, alive_path, hold_path, log_path, state_path
from cloudops_nb.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

START_SECONDS = 90.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.05
#: How long a check waits for the server's lock. Each check holds the lock for a moment, and a check by another process
#: must not look like a living server.
PROBE_SECONDS = 0.2

#: Prefixes of environment variables that the server must not inherit: ``AWS_*`` changes its botocore clients, and
#: ``MOTO_*`` changes moto.
FOREIGN_PREFIXES = ("AWS_", "MOTO_")


def living(folder: Path) -> ServerState | None:
    """Return the state of the folder's server; ``None`` if no server is alive."""
    return ServerState.read(folder) if _server_is_alive(folder) else None


def start(folder: Path, *, seed: int, transition_seconds: float) -> ServerState:
    """Start a server and wait until it is ready.

    The caller must hold the folder's ``command.lock``, so that no other caller starts a server at the same time.

    Raises:
        ConfigurationError: moto is not installed, the server process ended, or it was not ready in time.
    """
    if importlib.util.find_spec("moto") is None:
        raise ConfigurationError("the demo cannot start", "moto is missing", "Run pip install 'cloudops-nb[demo]'.")
    for leftover in (state_path(folder), hold_path(folder)):
        leftover.unlink(missing_ok=True)
    command = [sys.executable, "-m", "cloudops_nb.demo.server", str(folder)]
    command += ["--seed", str(seed), "--transition-seconds", str(transition_seconds)]
    descriptor = os.open(log_path(folder), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        launcher = subprocess.Popen(
            command,
            cwd=folder,
            env=_server_environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            creationflags=_creation_flags(),
        )
    finally:
        os.close(descriptor)
    if sys.platform != "win32":
        # The launched process forks the server and ends at once.
        launcher.wait()
    return await_ready(folder)


def await_ready(folder: Path) -> ServerState:
    """Wait until the folder's starting server is ready, and return its state.

    Raises:
        ConfigurationError: The server process ended, or was not ready in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = ServerState.read(folder)
        if state is not None and state.ready:
            return state
        if state is not None and not _server_is_alive(folder):
            raise ConfigurationError(
                "the demo did not start", _last_log_line(log_path(folder)), f"See {log_path(folder)}."
            )
        time.sleep(POLL_SECONDS)
    raise ConfigurationError(
        "the demo did not start", f"it is not ready after {START_SECONDS:.0f} s", f"See {log_path(folder)}."
    )


def stop(folder: Path, pid: int) -> None:
    """Stop the folder's server with SIGTERM, and with SIGKILL if necessary; wait until its process ends.

    The server must be alive. Otherwise the signal could reach a different process with the same id.

    Raises:
        ConfigurationError: The process has not ended after both signals.
    """
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if not _server_is_alive(folder):
                return
            time.sleep(POLL_SECONDS)
    raise ConfigurationError("the demo did not stop", f"process {pid} does not end", "Kill that process.")


def _server_is_alive(folder: Path) -> bool:
    if not alive_path(folder).exists():
        return False
    probe = FileLock(alive_path(folder), mode=0o600)
    try:
        probe.acquire(timeout=PROBE_SECONDS, poll_interval=POLL_SECONDS)
    except Timeout:
        return True
    probe.release()
    return False


def _server_environment(ambient: Mapping[str, str]) -> dict[str, str]:
    """Return the server's environment variables: without the user's AWS settings, but with this package importable.

    ``PYTHONHASHSEED`` fixes Python's string hashes, so that the same seed always gives the same ids.
    """
    kept = {name: value for name, value in ambient.items() if not name.upper().startswith(FOREIGN_PREFIXES)}
    package = str(Path(__file__).parents[2])
    search = os.pathsep.join(filter(None, (package, ambient.get("PYTHONPATH", ""))))
    nowhere = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    return {**kept, **nowhere, "AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": search, "PYTHONHASHSEED": "0"}


def _creation_flags() -> int:
    if sys.platform == "win32":
        return subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    return 0


def _last_log_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "the server ended without a message")
