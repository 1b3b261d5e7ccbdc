"""ONNX Runtime is imported without telemetry, whatever imports it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Variables of CI services, which switch the telemetry off by themselves.
CI_VARIABLES = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "JENKINS_URL", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY")


def run(program: str, home: Path) -> str:
    """Run a program in a process without a CI's variables; its home and temporary folder are new."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in CI_VARIABLES}
    environment |= {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_our_import_leaves_no_file_and_no_warning(tmp_path: Path) -> None:
    program = """
from cloudops_nb.telemetry import import_onnxruntime, telemetry_warnings
import os
print(import_onnxruntime().__name__, os.environ["ORT_DISABLE_TELEMETRY"], telemetry_warnings())
"""
    assert run(program, tmp_path / "home") == "onnxruntime 1 []"
    assert list((tmp_path / "home").rglob("*")) == []


def test_opening_a_client_protects_a_later_import_by_another_package(tmp_path: Path) -> None:
    program = f"""
from cloudops_nb import CloudOps
CloudOps({str(tmp_path / "store")!r}, key_file={str(tmp_path / "key")!r}, qdrant_idle_seconds=1.0).close()
import onnxruntime
"""
    run(program, tmp_path / "home")
    assert list((tmp_path / "home").rglob("*onnx*")) == []


def test_an_import_before_ours_is_reported_in_the_status(tmp_path: Path) -> None:
    program = f"""
import onnxruntime
from cloudops_nb import CloudOps
with CloudOps({str(tmp_path / "store")!r}, key_file={str(tmp_path / "key")!r}, qdrant_idle_seconds=1.0) as ops:
    print([line for line in ops.health()["warnings"] if "onnxruntime" in line])
"""
    said = run(program, tmp_path / "home")
    assert "its telemetry may have contacted its vendor: set ORT_DISABLE_TELEMETRY=1 before the kernel starts" in said
