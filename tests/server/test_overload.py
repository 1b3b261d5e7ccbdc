"""The stand-alone server under clients that misbehave: it answers the others, and each costs it one line."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from cloudops_nb.server.app import BODY_SECONDS, CONNECTION_SECONDS
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
HALF = (
    b'POST /v1/plan HTTP/1.1\r\nHost: server\r\nAuthorization: Bearer right\r\nContent-Length: 1000\r\n\r\n{"protocol":'
)
HALF_SENT = 150


class RunningServer:
    def __init__(self, log: Path) -> None:
        self._log = log
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CLOUDOPS_SERVER_TOKEN": "right"}
        command = [sys.executable, "-c", "from cloudops_nb.cli.server import main; main()", "--port", "0"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        until(lambda: re.search(r"running on http://127\.0\.0\.1:(\d+)", self.log), "the start of the server")
        match = re.search(r"running on http://127\.0\.0\.1:(\d+)", self.log)
        assert match
        self.port = int(match[1])

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def healthy(self) -> bool:
        with httpx.Client(trust_env=False) as client:
            return client.get(f"http://127.0.0.1:{self.port}/healthz").status_code == httpx.codes.OK

    def half_sent(self, part: bytes = HALF) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.sendall(part)
        return connection


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    running = RunningServer(tmp_path / "log")
    yield running
    running.process.terminate()
    running.process.wait(timeout=60)


def test_half_sent_bodies_end_at_their_deadline_and_others_are_answered(server: RunningServer) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(server.half_sent()) for _ in range(HALF_SENT)]
        assert server.healthy()
        for connection in connections:
            connection.settimeout(2 * BODY_SECONDS)
            answer = connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 408 ")
            while answer:
                answer = connection.recv(4096)
    assert server.healthy()
    assert server.log.count("did not arrive within") == HALF_SENT
    assert "Traceback" not in server.log


def test_half_sent_headers_end_at_their_deadline(server: RunningServer) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(server.half_sent(HALF[:60])) for _ in range(HALF_SENT)]
        assert server.healthy()
        for connection in connections:
            connection.settimeout(2 * CONNECTION_SECONDS)
            with suppress(ConnectionResetError):
                assert connection.recv(4096) == b""
    assert server.log.count("closed a connection") == HALF_SENT
    assert server.healthy()
    assert "Traceback" not in server.log


def test_a_connection_serves_one_request(server: RunningServer) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.get(f"http://127.0.0.1:{server.port}/healthz")
    assert answer.headers.get_list("connection") == ["close"]


def test_a_client_that_hangs_up_costs_one_line(server: RunningServer) -> None:
    for _ in range(HALF_SENT):
        server.half_sent().close()
    until(lambda: server.log.count("disconnected before its request was complete") == HALF_SENT, "a line for each")
    assert server.healthy()
    assert "Traceback" not in server.log


def test_more_connections_than_it_keeps_are_refused_and_leave_the_rest_alone(server: RunningServer) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(server.half_sent()) for _ in range(300)]
        for connection in connections:
            connection.settimeout(2 * BODY_SECONDS)
        statuses = [connection.recv(4096).split(b" ", 2)[1] for connection in connections]
    assert set(statuses) == {b"408", b"503"}
    assert server.healthy()
    assert "Traceback" not in server.log
