"""Fresh processes, because what a first use costs can only be measured once in each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ARTEFACTS = ROOT / ".artefacts"
MODELS = ARTEFACTS / "models"
#: The processes that own the stores measured here end soon after, so that they do not slow the next measurement.
IDLE_SECONDS = 5.0


def run_child(script: str, *arguments: object, data_path: Path | None = None) -> dict[str, Any]:
    """Run a script in a fresh interpreter and return the JSON object that it prints as its last line.

    The script may use ``STARTED``, the value of ``time.monotonic()`` just before the interpreter was started. No
    setting of the person who runs the benchmark is seen; models are shared, so that no export is timed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CLOUDOPS_"))}
    environment["CLOUDOPS_EMBEDDING_PATH"] = str(MODELS)
    environment["CLOUDOPS_QDRANT_IDLE_SECONDS"] = str(IDLE_SECONDS)
    if data_path is not None:
        environment["CLOUDOPS_DATA_PATH"] = str(data_path)
    command = [sys.executable, "-c", f"STARTED = {time.monotonic()!r}\n{script}", *map(str, arguments)]
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [f"exit status {child.returncode}"])[-1]
        raise RuntimeError(last)
    result: dict[str, Any] = json.loads(child.stdout.strip().splitlines()[-1])
    return result
