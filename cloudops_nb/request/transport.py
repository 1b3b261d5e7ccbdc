"""The two ways to a playbook server: in this process, or over HTTP. Both carry the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import EgressRefusedError
from cloudops_nb.protocol import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

#: A server that has not answered by then is taken as not answering, in seconds.
TIMEOUT = 30.0
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class InProcessTransport:
    """Hands the bytes to a pipeline in this process."""

    handle: Callable[[bytes], bytes]
    destination: str = "in-process"

    def send(self, body: bytes) -> bytes:
        """Send one request and return the answer."""
        return self.handle(body)


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """Posts the bytes to a stand-alone server; transport errors are tried again, refusals are not.

    Args:
        url: The server's base URL.
        token: The bearer token, empty for a server without authentication.
    """

    url: str
    token: str = ""

    @property
    def destination(self) -> str:
        """The server's base URL."""
        return self.url

    def send(self, body: bytes) -> bytes:
        """Send one request and return the answer.

        Raises:
            EgressRefusedError: The server cannot be reached or refused the request.
        """
        import httpx
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

        headers = {"Content-Type": MEDIA_TYPE} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(max=2),
            retry=retry_if_exception_type(httpx.TransportError),
            reraise=True,
        )
        try:
            answer = retrying(
                httpx.post, f"{self.url.rstrip('/')}/v1/plan", content=body, headers=headers, timeout=TIMEOUT
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            why = f"{self.url}: {type(error).__name__}"
            raise EgressRefusedError("the playbook server cannot be reached", why, "Check server_url.") from None
        if answer.is_error:
            why = f"HTTP {answer.status_code} from {self.url}"
            raise EgressRefusedError("the playbook server refused the request", why, "Check its log and the token.")
        return answer.content
