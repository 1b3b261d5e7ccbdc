"""The two transports to a playbook server: a function call in this process, or HTTP. Both carry the same bytes."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from cloudops_nb.errors import EgressRefusedError
from cloudops_nb.protocol import MAX_BYTES, MEDIA_TYPE
from cloudops_nb.remote_address import check_address, httpx_options

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import httpx

_Result = TypeVar("_Result")

#: The time for a request with all its attempts, in seconds.
DEADLINE_SECONDS = 30.0
ATTEMPTS = 3
_IDENTITY = "identity"
_WAIT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class InProcessTransport:
    """Passes the bytes to a pipeline in this process."""

    handle: Callable[[bytes], bytes]
    destination: str = "in-process"

    def send(self, body: bytes) -> bytes:
        """Send one request and return the response."""
        return self.handle(body)


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """Posts the bytes to a stand-alone server. Requests that did not arrive are repeated; refused ones are not.

    The response is read only up to :data:`~cloudops_nb.protocol.MAX_BYTES`, so a faulty server cannot fill the memory,
    and only up to the deadline, however slowly its bytes arrive. Redirects and compressed responses are refused.

    Args:
        url: The server's address: HTTPS, or plain HTTP to this host.
        token: The bearer token; empty for a server without authentication.
        deadline: The time for a request with all its attempts, in seconds.

    Raises:
        ConfigurationError: The address is invalid, or is plain HTTP to another host.
    """

    url: str
    token: str = field(default="", repr=False)
    deadline: float = DEADLINE_SECONDS

    def __post_init__(self) -> None:
        check_address("server_url", self.url)

    @property
    def destination(self) -> str:
        """The server's address."""
        return self.url

    def send(self, body: bytes) -> bytes:
        """Send one request and return the response.

        Raises:
            EgressRefusedError: The server cannot be reached, does not answer in time, or refuses the request; or its
                response is compressed or too large.
        """
        try:
            return _run(self._exchange(body))
        except TimeoutError:
            why = f"{self.url} did not answer within {self.deadline:.0f} seconds"
            raise EgressRefusedError(
                "the playbook server did not answer", why, "Check its log, then ask again."
            ) from None

    async def _exchange(self, body: bytes) -> bytes:
        import httpx
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

        retrying = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(max=2),
            retry=retry_if_exception_type(httpx.TransportError),
            reraise=True,
        )
        try:
            # A timeout of httpx starts again with every byte that arrives, so it is no deadline.
            async with (
                asyncio.timeout(self.deadline),
                httpx.AsyncClient(timeout=self.deadline, **httpx_options(self.url)) as client,
            ):
                return await retrying(self._attempt, client, body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = f"{self.url}: {type(error).__name__}"
            raise EgressRefusedError("the playbook server cannot be reached", why, "Check server_url.") from None

    async def _attempt(self, client: httpx.AsyncClient, body: bytes) -> bytes:
        headers = {"Content-Type": MEDIA_TYPE, "Accept-Encoding": _IDENTITY}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        address = f"{self.url.rstrip('/')}/v1/plan"
        async with client.stream("POST", address, content=body, headers=headers, follow_redirects=False) as response:
            if response.status_code != HTTPStatus.OK:
                why = f"HTTP {response.status_code} from {self.url}"
                raise EgressRefusedError("the playbook server refused the request", why, "Check its log and the token.")
            if response.headers.get("content-encoding", _IDENTITY).lower() != _IDENTITY:
                raise self._broken("it is compressed, although the request asks for plain bytes")
            received = bytearray()
            async for part in response.aiter_raw():
                received += part
                if len(received) > MAX_BYTES:
                    raise self._broken(f"it is larger than {MAX_BYTES} bytes")
        return bytes(received)

    def _broken(self, why: str) -> EgressRefusedError:
        return EgressRefusedError(
            "the playbook server's response is not accepted", f"{why} ({self.url})", "Check server_url and its proxies."
        )


def _run(coroutine: Coroutine[None, None, _Result]) -> _Result:
    """Run a coroutine in a thread of its own, because the calling thread may already run an event loop, as kernels do.

    If the caller is interrupted, the coroutine is cancelled.
    """
    result: Future[_Result] = Future()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[_Result]]] = Future()

    async def deliver() -> None:
        task = asyncio.ensure_future(coroutine)
        started.set_result((asyncio.get_running_loop(), task))
        try:
            result.set_result(await task)
        except BaseException as error:  # noqa: BLE001 - raised in the calling thread
            result.set_exception(error)

    # A daemon, because the thread may have to wait for a name look-up that outlives the deadline.
    threading.Thread(target=lambda: asyncio.run(deliver()), name="cloudops-request", daemon=True).start()
    try:
        # In short waits: an interrupt that arrives just before a wait begins does not end it.
        while not wait([result], timeout=_WAIT_SECONDS).done:
            pass
        return result.result()
    except KeyboardInterrupt:
        loop, task = started.result()
        with suppress(RuntimeError):  # the loop has ended in the meantime
            loop.call_soon_threadsafe(task.cancel)
        raise
