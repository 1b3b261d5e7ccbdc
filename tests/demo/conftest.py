"""One server for the folder's tests; a test that reads a transitional state holds it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloudops_nb import demo as simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.demo import Demo

TRANSITION_SECONDS = 0.1


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that is up; its log is shown when something fails."""
    folder = tmp_path_factory.mktemp("home") / "demo"
    yield simulation.up(folder, transition_seconds=TRANSITION_SECONDS)
    simulation.down(folder)
    print((folder / "server.log").read_text(encoding="utf-8"))  # noqa: T201 - pytest shows it when a test failed


@pytest.fixture
def restored_environ() -> Iterator[None]:
    """Put ``os.environ`` back, whatever the test did to it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def inside(running: Demo, restored_environ: None) -> Demo:
    """The running demo, with this process's environment pointing at it."""
    running.apply(os.environ)
    return running
