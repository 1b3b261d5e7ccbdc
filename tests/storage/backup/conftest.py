"""Fixtures of the backup tests: a real S3 server, and a store that uses it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.settings import Settings
from tests.storage.backup.store_contents import fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.storage.facade import StorageService

BUCKET = "backups"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_SERVICES = ("master", "volume", "filer", "s3")
_OPTIONS = (
    "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
    "-master.volumeSizeLimitMB=64",
)  # fmt: skip
_START_SECONDS = 60.0


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def client_of(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
        config=Config(retries={"total_max_attempts": 1}),
    )


@contextmanager
def seaweedfs(**environment: str) -> Iterator[str]:
    """Run SeaweedFS with one bucket; gives its endpoint once a put has succeeded."""
    folder = Path(tempfile.mkdtemp(prefix="seaweedfs-"))
    ports = free_ports(2 * len(_SERVICES))
    unused = iter(ports)
    places = [f"-{name}.port{suffix}={next(unused)}" for name in _SERVICES for suffix in ("", ".grpc")]
    port = places[-2].partition("=")[2]
    program = str(Path(sysconfig.get_path("scripts")) / "weed")
    command = [program, "server", "-s3", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *places, *_OPTIONS],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait(endpoint, process, folder / "log")
        yield endpoint
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        for path in Path(tempfile.gettempdir()).glob("seaweedfs-*.sock"):
            if path.stem.endswith(tuple(f"-{port}" for port in ports)):
                path.unlink(missing_ok=True)


def _wait(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    client, deadline = client_of(endpoint), time.monotonic() + _START_SECONDS
    try:
        while True:
            try:
                client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="probe", Body=b"")
            except (BotoCoreError, ClientError) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(log.read_text(errors="replace")[-2000:]) from error
                time.sleep(0.1)
            else:
                return
    finally:
        client.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A real S3 server that can encrypt at rest."""
    with seaweedfs(WEED_S3_SSE_KEY="5e" * 32) as endpoint:
        yield endpoint


@pytest.fixture
def s3_environment(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's environment points boto3 at the server."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": s3_server}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(s3_server: str, s3_environment: None) -> Iterator[Any]:
    """A client of the server, to inspect and change the objects."""
    client = client_of(s3_server)
    yield client
    client.close()


@pytest.fixture
def s3_settings(s3_environment: None, tmp_path: Path) -> Settings:
    """Settings with a bucket and a prefix of the test's own."""
    return Settings(
        data_path=tmp_path / "store",
        key_file=tmp_path / "key" / "encryption.key",
        s3_bucket=BUCKET,
        s3_prefix=f"tests/{tmp_path.name}",
    )


@pytest.fixture
def filled(storage: StorageService) -> StorageService:
    """A store whose snapshots are older than what it has."""
    fill(storage)
    assert storage.backup.snapshot().ok
    return storage
