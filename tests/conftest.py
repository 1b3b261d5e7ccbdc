"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import gc
import os
import signal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.demo import Demo

pytest_plugins = ["tests.aws_fixtures"]

ROOT = Path(__file__).parents[1]
#: Kept between runs and out of git; an exported model is the same for every test.
ARTEFACTS = ROOT / ".artefacts"
#: Bytes that a worker may gain before its garbage is looked for.
MUCH_MEMORY = 1 << 30
#: A database of the simulated company that tests may stop.
STAGING_DATABASE = "pg-instance-staging1"

# A slow or busy machine is no reason for a property to fail.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("short", settings.get_profile("any speed"), max_examples=20)
settings.load_profile("any speed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no worker has one left when the others are done."""
    slow = {item.path for item in items if item.get_closest_marker("fast") is None}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def kept_memory() -> list[int]:
    """What the worker was left with after each search for garbage, in bytes; the first is before any."""
    return [0]


@pytest.fixture(autouse=True, scope="module")
def bounded_memory(kept_memory: list[int]) -> Iterator[None]:
    """Clients and models of AWS go in cycles, and the more there are the later Python looks for them.

    Looking takes seconds where much is alive, so it waits until as much has come again.
    """
    yield
    process = psutil.Process()
    if process.memory_info().rss > kept_memory[-1] + MUCH_MEMORY:
        gc.collect()
        kept_memory.append(process.memory_info().rss)


@pytest.fixture(scope="session")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a new path at each call; nothing is there, and making it is left to whoever needs it."""
    home, numbers = tmp_path_factory.mktemp("nowhere"), count()
    return lambda: home / str(next(numbers))


@pytest.fixture(autouse=True)
def no_ambient_aws(monkeypatch: pytest.MonkeyPatch, nowhere: Callable[[], Path]) -> None:
    """No test sees the credentials, settings or home of the person who runs it."""
    home = nowhere()
    for name in list(os.environ):
        if name.startswith(("AWS_", "CLOUDOPS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "no-aws-credentials"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "xdg-config"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt a test, although a shell starts programs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def models_path() -> Path:
    """Where the embedding model is exported to, once for all runs."""
    path = ARTEFACTS / "models"
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The simulated AWS with its whole estate, up for the session; state changes take no time."""
    from cloudops_nb.demo import down, up

    home = tmp_path_factory.mktemp("demo")
    yield up(home, transition_seconds=0.0)
    down(home)


@pytest.fixture
def demo_environment(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> Demo:
    """The simulated AWS, with this process's environment pointing there."""
    for name in demo.unset:
        monkeypatch.delenv(name, raising=False)
    for name, value in demo.environment.items():
        monkeypatch.setenv(name, value)
    return demo


@pytest.fixture
def staging_database(demo: Demo, demo_environment: Demo) -> Iterator[Callable[[], str]]:
    """The demo's staging database, running before and after the test; calling it returns the state AWS tells."""
    import boto3

    session = boto3.Session(profile_name="staging", region_name="eu-west-1")
    client = session.client("rds", endpoint_url=demo.endpoint)

    def state() -> str:
        (found,) = client.describe_db_instances(DBInstanceIdentifier=STAGING_DATABASE)["DBInstances"]
        return str(found["DBInstanceStatus"])

    if state() == "stopped":
        client.start_db_instance(DBInstanceIdentifier=STAGING_DATABASE)
    yield state
    if state() == "stopped":
        client.start_db_instance(DBInstanceIdentifier=STAGING_DATABASE)
