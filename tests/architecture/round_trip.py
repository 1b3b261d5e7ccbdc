"""How many files of the package take part in one request: measured by asking for a stop and applying it.

Run as a script, it does the round trip and prints the counts. It uses the public API alone, so that one script measures
any revision.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

REGION = "eu-west-1"
DATABASE = "pg-main1"
#: Placeholders from the documentation of AWS; the simulated one takes any.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "EXAMPLEKEY"}
SECONDS = 240


def files_touched(tree: Path, models: Path) -> tuple[int, int]:
    """Return how many files run during one ask, and during its approval and apply.

    Args:
        tree: The folder that holds the package.
        models: Where the embedding model is exported to, or already is.

    Raises:
        RuntimeError: The round trip failed.
    """
    ours = ("AWS_", "CLOUDOPS_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= CREDENTIALS | {"AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
    # The store's owner is a process of its own, which has to import the same tree.
    environment["PYTHONPATH"] = str(tree)
    # The owner ends a second after its last client, which may be in the middle of the removal.
    with TemporaryDirectory(ignore_cleanup_errors=True) as home:
        environment["HOME"] = home
        # Without -P the folder of this script would be searched for modules first.
        command = [sys.executable, "-P", __file__, str(tree), str(models), home]
        child = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    if child.returncode:
        raise RuntimeError((child.stderr.strip().splitlines() or [f"exit status {child.returncode}"])[-1])
    ask, apply = json.loads(child.stdout.splitlines()[-1])
    return ask, apply


class Touched:
    """The files of the package in which a function runs; the body of a module or of a class does not count."""

    def __init__(self, package: Path) -> None:
        self._prefix = f"{package}{os.sep}"
        self._files: set[str] | None = None
        # From the start, because threads that already run can no longer be watched.
        threading.setprofile(self._watch)
        sys.setprofile(self._watch)

    def _watch(self, frame: FrameType, event: str, _: Any) -> None:
        files, code = self._files, frame.f_code
        if files is None or event != "call" or not code.co_filename.startswith(self._prefix):
            return
        if code.co_flags & inspect.CO_OPTIMIZED:
            files.add(code.co_filename)

    def __enter__(self) -> set[str]:
        self._files = set()
        return self._files

    def __exit__(self, *_: object) -> None:
        self._files = None


def main(tree: str, models: str, home: str) -> None:
    """Stop a database of a simulated AWS, and print the numbers of files."""
    touched = Touched(Path(tree) / "cloudops_nb")
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    try:
        print(json.dumps(_stop_a_database(touched, models, Path(home))))  # noqa: T201 - the parent process reads it
    finally:
        server.stop()


def _stop_a_database(touched: Touched, models: str, home: Path) -> tuple[int, int]:
    import boto3

    from cloudops_nb import CloudOps

    boto3.client("rds").create_db_instance(
        DBInstanceIdentifier=DATABASE,
        DBInstanceClass="db.t3.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="operator",
        ManageMasterUserPassword=True,
    )
    settings = {
        "accounts": [{"name": "dev", "environment": "development"}],
        "regions": [REGION],
        "key_source": "file",
        "key_file": str(home / "key"),
        "embedding_path": models,
    }
    with CloudOps(home / "store", qdrant_idle_seconds=1.0, **settings) as ops:
        ops.scan(services=["rds"])
        with touched as asked:
            answer = ops.ask(f"stop {DATABASE}")
        if answer.plan is None:
            raise RuntimeError(answer.text)
        with touched as applied:
            ops.approve(answer.plan, reason="measured")
            ops.apply(answer.plan).wait()
    return len(asked), len(applied)


if __name__ == "__main__":
    main(*sys.argv[1:])
