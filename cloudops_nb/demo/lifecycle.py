"""The demo's public functions: they start, stop and find a demo, and make programs use it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
from filelock import FileLock

from cloudops_nb.demo import guard, process
from cloudops_nb.demo.company import load_company
from cloudops_nb.demo.state import ServerState, hold_path, make_private_folder, state_path, write_private
from cloudops_nb.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence

DEFAULT_SEED = 20250617
DEFAULT_TRANSITION_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo.

    Programs use the demo if the variables in ``environment`` are set and the variables in ``unset`` are not set.
    ``accounts`` can be passed to ``CloudOps(accounts=...)``.
    """

    path: Path
    endpoint: str
    seed: int
    environment: Mapping[str, str]
    unset: Sequence[str]
    accounts: Sequence[Mapping[str, str]]
    regions: Sequence[str]

    def apply(self, environ: MutableMapping[str, str]) -> None:
        """Change environment variables, usually ``os.environ``, so that programs use only the demo.

        AWS clients that exist already keep their endpoints.

        Raises:
            ConfigurationError: The demo's AWS files cannot be read, or they were changed, for example to other
                endpoints; no variable is changed then.
        """
        guard.enter(self.environment, environ)

    @contextmanager
    def held_transitions(self) -> Iterator[None]:
        """Let no EC2 or RDS resource leave a transitional state, such as ``stopping``, before the ``with`` block ends.

        This has no effect if the demo was started with ``transition_seconds=0``.
        """
        write_private(hold_path(self.path), "")
        try:
            yield
        finally:
            hold_path(self.path).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class DemoStatus:
    """The status of a demo folder's server.

    ``state`` is ``running``, ``starting`` or ``down``. ``started`` is the time of the start (UTC, ISO 8601).
    """

    state: str
    path: Path
    endpoint: str = ""
    pid: int = 0
    seed: int = 0
    started: str = ""


def default_path() -> Path:
    """Return the default demo folder: ``demo`` in the user's data folder for ``cloudops``."""
    return Path(platformdirs.user_data_dir("cloudops", appauthor=False)) / "demo"


def up(path: str | Path | None = None, *, seed: int | None = None, transition_seconds: float | None = None) -> Demo:
    """Start the demo, or return the demo that already runs in the folder; concurrent callers get the same demo.

    Args:
        path: The demo's folder; :func:`default_path` by default.
        seed: Determines the ids and ages of all resources. The default is the seed of a demo that already runs, else a
            fixed number.
        transition_seconds: How long EC2 and RDS resources stay in states such as ``stopping``. The default is the value
            of a demo that already runs, else 1.5.

    Raises:
        ConfigurationError: The demo's packages are missing, the demo cannot start, or it already runs with a different
            seed or different transition seconds.
    """
    folder = _folder(path)
    make_private_folder(folder)
    with _one_at_a_time(folder):
        state = process.living(folder)
        if state is None:
            state = process.start(
                folder,
                seed=DEFAULT_SEED if seed is None else seed,
                transition_seconds=DEFAULT_TRANSITION_SECONDS if transition_seconds is None else transition_seconds,
            )
        _require_same(state, seed, transition_seconds)
        if not state.ready:
            state = process.await_ready(folder)
        guard.write_aws_files(folder, state.endpoint, load_company())
        guard.write_store_settings(folder, load_company())
    return _demo(folder, state)


def down(path: str | Path | None = None) -> bool:
    """Stop the demo and discard all its simulated resources; return whether the demo was running.

    Raises:
        ConfigurationError: The server process does not end.
    """
    folder = _folder(path)
    if not folder.is_dir():
        return False
    with _one_at_a_time(folder):
        state = process.living(folder)
        if state is not None:
            process.stop(folder, state.pid)
        for leftover in (state_path, hold_path, guard.config_path, guard.credentials_path):
            leftover(folder).unlink(missing_ok=True)
    return state is not None


def status(path: str | Path | None = None) -> DemoStatus:
    """Return the status of the demo, without waiting or changing anything."""
    folder = _folder(path)
    state = process.living(folder) if folder.is_dir() else None
    if state is None:
        return DemoStatus("down", folder)
    endpoint = state.endpoint if state.ready else ""
    return DemoStatus("running" if state.ready else "starting", folder, endpoint, state.pid, state.seed, state.started)


def find(path: str | Path | None = None) -> Demo:
    """Return the running demo of a folder.

    Raises:
        ConfigurationError: No demo runs in the folder, or the demo is still starting.
    """
    folder = _folder(path)
    state = process.living(folder) if folder.is_dir() else None
    if state is None or not state.ready:
        raise ConfigurationError(f"no demo runs at {folder}", fix="Run cloudops-nb demo up.")
    return _demo(folder, state)


def _folder(path: str | Path | None) -> Path:
    return default_path() if path is None else Path(path).expanduser().absolute()


def _one_at_a_time(folder: Path) -> FileLock:
    return FileLock(folder / "command.lock", timeout=process.START_SECONDS + process.STOP_SECONDS, mode=0o600)


def _require_same(state: ServerState, seed: int | None, transition_seconds: float | None) -> None:
    for name, requested, running in (
        ("seed", seed, state.seed),
        ("transition seconds", transition_seconds, state.transition_seconds),
    ):
        if requested is not None and requested != running:
            raise ConfigurationError(
                "the demo already runs with other options",
                f"{name}: {running}, not {requested}",
                "Run cloudops-nb demo down first, or leave the option out.",
            )


def _demo(folder: Path, state: ServerState) -> Demo:
    company = load_company()
    environment = guard.demo_environment(folder, state.endpoint, company.regions[0], os.environ)
    return Demo(
        path=folder,
        endpoint=state.endpoint,
        seed=state.seed,
        environment=environment,
        unset=guard.dangerous_variables(environment, os.environ),
        accounts=[
            {"name": account.account, "profile": account.account, "environment": account.account}
            for account in company.accounts
        ],
        regions=company.regions,
    )
