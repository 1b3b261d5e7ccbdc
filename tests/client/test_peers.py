"""What the package contacts and which files it makes, as the kernel of the operating system sees it.

The whole way (scan, search, ask, approve, apply) runs in a process of its own under strace, with its children, a new
home and temporary folder, and without the variables of CI services, for which some packages switch telemetry off.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from cloudops_nb.embedding import open_embedder
from cloudops_nb.settings import Settings

if TYPE_CHECKING:
    from cloudops_nb.demo import Demo

ROOT = Path(__file__).parents[2]
#: Some telemetry waits before it connects: ONNX Runtime's for ten seconds.
SECONDS = 25
#: Documentation addresses, to which no packet is delivered (RFC 5737).
DELIBERATE = ("192.0.2.1", 9)
CI_VARIABLE = re.compile(r"CI$|CI_|GITHUB_|GITLAB_|JENKINS|BUILD_|TF_BUILD|TEAMCITY|ORT_|DO_NOT_TRACK|.*TELEMETRY")
CALLS = "connect,sendto,sendmsg,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,linkat,symlinkat"
PEER = re.compile(r'sin6?_port=htons\((\d+)\).*?"([0-9a-f.:]+)"')
#: The calls that make a file; of those that open one, only some.
CALL = re.compile(r"\d+ +(openat|creat|mkdir|mkdirat|rename|renameat|renameat2|linkat|symlinkat)\(")
#: A folder, where a call names one by its descriptor (strace -y shows its path), and a path, absolute or within it.
FILE = re.compile(r'(?:(?:\d+|AT_FDCWD)<([^>]*)>, |\()"([^"]+)"')
PROBE = re.compile(r"[a-z0-9_]{8}")
PROGRAM = """
import json, socket, sys, time
from cloudops_nb import CloudOps

started = time.monotonic()
given = json.loads(sys.argv[1])
with CloudOps(**given["settings"]) as ops:
    ops.scan(accounts=["staging"], services=["rds"])
    ops.search("staging postgres databases")
    plan = ops.ask("reboot pg-instance-staging1").plan
    ops.approve(plan, reason="a test")
    execution = ops.apply(plan)
    execution.wait()
    ops.health()
    print(execution.status, flush=True)
    if given["deliberate"]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(tuple(given["deliberate"]))
    while time.monotonic() - started < given["seconds"]:
        time.sleep(0.2)
"""


@dataclass
class Trace:
    """What a traced process and its children did."""

    printed: str
    peers: set[tuple[str, int]] = field(default_factory=set)
    made: set[Path] = field(default_factory=set)

    def read(self, line: str) -> None:
        for port, address in PEER.findall(line):
            self.peers.add((address, int(port)))
        call = CALL.match(line)
        makes = call is not None and (call[1] != "openat" or "O_CREAT" in line)
        if makes and " = -1 " not in line:
            for folder, name in FILE.findall(line):
                self.made.add(Path(os.path.abspath(Path("/", folder, name))))  # noqa: PTH100 - there may be no such file


def traced(home: Path, settings: dict[str, object], *, seconds: int, deliberate: tuple[str, int] | None) -> Trace:
    strace = shutil.which("strace")
    assert strace, "this test needs strace: make packages"
    for name in ("home", "tmp"):
        (home / name).mkdir(mode=0o700)
    environment = {name: value for name, value in os.environ.items() if not CI_VARIABLE.match(name)}
    # A measurement of coverage would write a file of its own.
    for name in [name for name in environment if name.startswith(("XDG_", "PYTEST_", "COVERAGE_"))]:
        del environment[name]
    environment |= {"HOME": str(home / "home"), "TMPDIR": str(home / "tmp"), "PYTHONPATH": str(ROOT)}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    given = json.dumps({"settings": settings, "seconds": seconds, "deliberate": deliberate})
    log = home / "trace"
    command = [strace, "-f", "-qq", "-y", "-s", "512", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(log)]
    command += [sys.executable, "-c", PROGRAM, given]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    trace = Trace(done.stdout)
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        trace.read(line)
    return trace


@pytest.fixture
def settings(tmp_path: Path, demo_environment: Demo, staging_database: object, models_path: Path) -> dict[str, object]:
    # The export of the model, once for each machine, writes to this folder.
    open_embedder(Settings(embedding_path=models_path))
    return {
        "data_path": str(tmp_path / "store"),
        "accounts": [dict(account) for account in demo_environment.accounts],
        "regions": ["eu-west-1"],
        "key_file": str(tmp_path / "configuration" / "key"),
        "embedding_path": str(models_path),
        "qdrant_idle_seconds": 2.0,
    }


def endpoint() -> tuple[str, int]:
    parts = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    assert parts.hostname and parts.port  # noqa: PT018 - one fact
    return parts.hostname, parts.port


def test_the_only_peer_is_aws_and_no_file_is_made_elsewhere(tmp_path: Path, settings: dict[str, object]) -> None:
    trace = traced(tmp_path, settings, seconds=SECONDS, deliberate=None)
    assert trace.printed.strip() == "completed"
    assert trace.peers == {endpoint()}
    sockets = f"cloudops-nb-{os.getuid()}"
    ours = (
        tmp_path / "store",
        tmp_path / "configuration",
        tmp_path / "tmp" / sockets,
        Path("/tmp", sockets),  # noqa: S108 - where the sockets go if the first folder is taken
        Path("/dev"),
    )
    elsewhere = {path for path in trace.made if not any(path.is_relative_to(each) for each in ours)}
    # Python tries its temporary folder by a file that it removes at once (tempfile._get_default_tempdir).
    assert {path for path in elsewhere if path.parent != tmp_path / "tmp" or not PROBE.fullmatch(path.name)} == set()


def test_a_connection_of_the_tests_own_is_seen(tmp_path: Path, settings: dict[str, object]) -> None:
    trace = traced(tmp_path, settings, seconds=0, deliberate=DELIBERATE)
    assert trace.peers == {endpoint(), DELIBERATE}
