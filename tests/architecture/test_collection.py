"""A broken declaration or playbook fails the tests that read it, and stops the collection of no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.architecture.sources import PACKAGE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

#: A declaration, a spec of another fault, and both files of a playbook; each with what is added to it.
BROKEN = {
    "specs/services/ec2.yaml": "\n  ] broken",
    "specs/services/sqs.yaml": "\nunknown: key\n",
    "playbooks/ec2/ec2-stop/1.0.0/metadata.yaml": "\nunknown: key\n",
    "playbooks/rds/rds-stop/1.0.0/runbook.yaml": "\n[",
}
COPIED = (PACKAGE, "tests", "benchmarks", "docs", "notebooks", "pyproject.toml", "constraints.txt", "Makefile")


def test_broken_declarations_and_playbooks_stop_no_collection(tmp_path: Path) -> None:
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    for page in ROOT.glob("*.md"):
        shutil.copy(page, tmp_path)
    for path, text in BROKEN.items():
        with (tmp_path / PACKAGE / path).open("a", encoding="utf-8") as file:
            file.write(text)

    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:]
