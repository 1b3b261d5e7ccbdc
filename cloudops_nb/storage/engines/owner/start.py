"""Starting the owner process from a kernel, once, however many kernels try."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cloudops_nb.errors import StoreUnavailableError

if TYPE_CHECKING:
    from cloudops_nb.storage.engines.owner.endpoint import OwnerPaths

#: How long an owner may take until it serves, in seconds; it includes replaying a log after a crash.
START_SECONDS = 60.0
#: All that the owner gets of the environment: no key, no AWS credentials.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH")


def start_owner(paths: OwnerPaths, idle_seconds: float) -> None:
    """Start an owner and return when it serves; the caller holds the start lock.

    Raises:
        StoreUnavailableError: It did not come up; the reason is in one line.
    """
    # The kernel's own copy of this package, whatever the child's sys.path would find first.
    package_root = str(Path(__file__).parents[4])
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    search_path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", "cloudops_nb.storage.engines.owner", str(paths.data_path), str(idle_seconds)]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, "PYTHONPATH": search_path},
            cwd="/",
            start_new_session=True,
            timeout=START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_started(paths, type(error).__name__) from error
    if ended.returncode:
        lines = ended.stdout.decode(errors="replace").strip().splitlines()
        raise _not_started(paths, lines[-1] if lines else f"it ended with status {ended.returncode}")


def _not_started(paths: OwnerPaths, why: str) -> StoreUnavailableError:
    return StoreUnavailableError("the store's process cannot be started", why, f"See {paths.log}.")
