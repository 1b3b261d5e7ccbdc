"""An owner of another version makes way if it is unused; if it is in use, the error is one clear line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cloudops_nb
from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.engines.owner.endpoint import PROTOCOL, Endpoint, OwnerPaths
from cloudops_nb.storage.engines.vector_store import Point, PointFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.storage.engines.owner.owner_client import OwnerClient

EVERYTHING = PointFilter()
ONE = array("f", [1.0]).tobytes()
OTHER_PROTOCOL = PROTOCOL + 1
OTHER_KERNEL = """
import sys
from pathlib import Path
from cloudops_nb.storage.engines.owner.owner_client import OwnerClient
from cloudops_nb.storage.engines.vector_store import PointFilter

client = OwnerClient(Path(sys.argv[1]), idle_seconds=60)
print(client.count("chat_history", PointFilter()), flush=True)
sys.stdin.readline()
client.close()
"""


@pytest.fixture(scope="module")
def other_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole package whose protocol is another one."""
    root = tmp_path_factory.mktemp("other")
    shutil.copytree(
        Path(cloudops_nb.__file__).parent, root / "cloudops_nb", ignore=shutil.ignore_patterns("__pycache__", "demo")
    )
    endpoint = root / "cloudops_nb" / "storage" / "engines" / "owner" / "endpoint.py"
    declared = re.compile(r"^PROTOCOL = \d+$", re.MULTILINE)
    changed, count = declared.subn(f"PROTOCOL = {OTHER_PROTOCOL}", endpoint.read_text())
    assert count == 1
    endpoint.write_text(changed)
    return root


@pytest.fixture
def other_kernel(other_version: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A kernel of the other version that uses the store until it is told to end."""
    command = [sys.executable, "-P", "-c", OTHER_KERNEL, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(other_version)}
    with subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=other_version
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdecimal()
        yield process
        process.kill()


def message() -> Point:
    return Point(str(uuid.uuid4()), {"kind": "message", "context": "c"}, ONE)


def endpoint_in(folder: Path) -> Endpoint:
    endpoint = Endpoint.read(OwnerPaths(folder).endpoint)
    assert endpoint is not None
    return endpoint


def end(kernel: subprocess.Popen[str]) -> None:
    kernel.communicate("end\n", timeout=60)


def test_an_owner_of_another_version_that_is_in_use_is_one_clear_line(
    client: OwnerClient, folder: Path, other_kernel: subprocess.Popen[str]
) -> None:
    before = endpoint_in(folder)
    with pytest.raises(StoreUnavailableError) as raised:
        client.count("chat_history", EVERYTHING)

    assert before.protocol == OTHER_PROTOCOL
    assert str(raised.value) == (
        "the store is in use by another version of cloudops-nb: the store's process has protocol version "
        f"{OTHER_PROTOCOL}, and this version of cloudops-nb has {PROTOCOL}. "
        "Restart the notebook kernels that use the other version."
    )
    assert endpoint_in(folder) == before


def test_an_unused_owner_of_another_version_makes_way(
    client: OwnerClient, folder: Path, other_kernel: subprocess.Popen[str]
) -> None:
    end(other_kernel)
    before = endpoint_in(folder)
    client.upsert("chat_history", [message()])

    assert client.count("chat_history", EVERYTHING) == 1
    assert before.protocol == OTHER_PROTOCOL
    assert endpoint_in(folder).protocol == PROTOCOL


def test_an_owner_makes_way_for_a_kernel_of_another_version_with_nothing_lost(
    client: OwnerClient, folder: Path, other_version: Path
) -> None:
    client.upsert("chat_history", [message() for _ in range(3)])
    client.close()
    command = [sys.executable, "-P", "-c", OTHER_KERNEL, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(other_version)}
    ended = subprocess.run(
        command, env=environment, input="end\n", text=True, capture_output=True, check=True, cwd=other_version
    )

    assert ended.stdout.strip() == "3"


@pytest.mark.parametrize("pid", [os.getpid(), 1, 2**22 - 1], ids=["of this process", "of the first one", "of none"])
def test_what_a_dead_owner_of_another_version_left_is_no_obstacle(client: OwnerClient, folder: Path, pid: int) -> None:
    paths = OwnerPaths(folder)
    paths.folder.mkdir(mode=0o700)
    left = {"address": str(folder / "gone.sock"), "secret": "00" * 32, "pid": pid, "protocol": OTHER_PROTOCOL}
    paths.endpoint.write_text(json.dumps(left))

    assert client.count("chat_history", EVERYTHING) == 0
    assert endpoint_in(folder).protocol == PROTOCOL
