"""The HTTP transport: a response is limited in size and time, and nothing but plain bytes of the server is accepted."""

from __future__ import annotations

import gzip
import signal
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import ConfigurationError, EgressRefusedError
from cloudops_nb.protocol import MAX_BYTES, MEDIA_TYPE
from cloudops_nb.request.transport import HttpTransport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Answer = "Callable[[socket.socket], None]"


class RawServer:
    """Answers each connection, after the whole request has arrived, by a function that writes to the socket."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            received = b""
            while b"\r\n\r\n" not in received or not received.endswith(b"body"):
                received += connection.recv(65536)
            self.requests.append(received)
            try:
                self._answer(connection)
            except OSError:
                return


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[RawServer]:
    server = RawServer(answer)
    try:
        yield server
    finally:
        server.close()


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", "Connection: close", *lines, "", "")).encode()


def dripping(connection: socket.socket) -> None:
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def test_a_response_comes_back_and_the_request_asks_for_plain_bytes() -> None:
    with serving(lambda connection: connection.sendall(head() + b"answer")) as server:
        assert HttpTransport(server.url, "secret").send(b"body") == b"answer"
    (request,) = server.requests
    fields = dict(line.split(b": ", 1) for line in request.split(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    assert request.startswith(b"POST /v1/plan ")
    assert fields[b"Accept-Encoding"] == b"identity"
    assert fields[b"Authorization"] == b"Bearer secret"
    assert fields[b"Content-Type"] == MEDIA_TYPE.encode()


def endless(connection: socket.socket) -> None:
    connection.sendall(head())
    while True:
        connection.sendall(b"x" * 65536)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda connection: connection.sendall(head() + b"x" * (MAX_BYTES + 1)), "larger than"),
        (endless, "larger than"),
        (
            lambda connection: connection.sendall(head("Content-Encoding: gzip") + gzip.compress(b"{}")),
            "compressed",
        ),
        (
            lambda connection: connection.sendall(head("Location: /elsewhere", status="307 Temporary Redirect")),
            "HTTP 307",
        ),
        (lambda connection: connection.sendall(head(status="204 No Content")), "HTTP 204"),
        (lambda connection: connection.sendall(head(status="500 Internal Server Error")), "HTTP 500"),
        (lambda connection: connection.sendall(b"no http at all\r\n\r\n"), "RemoteProtocolError"),
    ],
    ids=["large", "endless", "gzip", "redirect", "empty", "error", "not-http"],
)
def test_a_response_that_is_not_accepted_is_one_line(answer: Callable[[socket.socket], None], why: str) -> None:
    with serving(answer) as server, pytest.raises(EgressRefusedError, match=why) as raised:
        HttpTransport(server.url, "secret").send(b"body")
    assert "\n" not in str(raised.value)
    assert "secret" not in repr(raised.value)


def test_a_response_of_the_largest_size_is_accepted() -> None:
    with serving(lambda connection: connection.sendall(head() + b"x" * MAX_BYTES)) as server:
        assert len(HttpTransport(server.url).send(b"body")) == MAX_BYTES


def slow_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    dripping(connection)


def slow_body(connection: socket.socket) -> None:
    connection.sendall(head())
    dripping(connection)


@pytest.mark.parametrize("answer", [slow_head, slow_body, lambda connection: connection.recv(1)])
def test_no_response_outlives_the_deadline_however_its_bytes_drip(answer: Callable[[socket.socket], None]) -> None:
    with serving(answer) as server, pytest.raises(EgressRefusedError, match="did not answer within 1 seconds"):
        HttpTransport(server.url, deadline=1.0).send(b"body")
    assert len(server.requests) == 1


def test_a_response_within_the_deadline_is_accepted_in_a_thread_with_an_event_loop() -> None:
    import asyncio

    async def cell() -> bytes:
        with serving(lambda connection: connection.sendall(head() + b"answer")) as server:
            return HttpTransport(server.url).send(b"body")

    assert asyncio.run(cell()) == b"answer"


def test_a_server_that_cannot_be_reached_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(EgressRefusedError, match="cannot be reached"):
        HttpTransport(url, deadline=10.0).send(b"body")


def test_this_host_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = lambda connection: connection.sendall(head() + b"answer")  # noqa: E731
    with serving(answer) as server, serving(answer) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        HttpTransport(server.url).send(b"body")
        assert (len(server.requests), proxy.requests) == (1, [])


@pytest.mark.parametrize("url", ["http://playbooks.example", "ftp://127.0.0.1", "https://user:word@playbooks.example"])
def test_an_address_that_would_show_the_token_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="server_url is invalid") as raised:
        HttpTransport(url, "secret")
    assert "word" not in str(raised.value)


def test_an_interrupted_request_is_given_up_at_once(interruptible: None) -> None:
    given_up = threading.Event()

    def interrupt(connection: socket.socket) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if not connection.recv(1):
            given_up.set()

    with serving(interrupt) as server:
        with pytest.raises(KeyboardInterrupt):
            HttpTransport(server.url).send(b"body")
        assert given_up.wait(10)
