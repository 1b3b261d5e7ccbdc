"""Sends requests to a Qdrant server over TLS, with retries; errors are one line without secrets or content."""

from __future__ import annotations

import ipaddress
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_random_exponential

from cloudops_nb.errors import ConfigurationError, StorageError, StoreUnavailableError
from cloudops_nb.storage.engines.retirement import Retirement

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pydantic import SecretStr

_Answer = TypeVar("_Answer")

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_REPORT_LENGTH = 200
_REFUSED = (401, 403)
#: Status codes after which the same request may succeed. Every request sent here is idempotent.
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits of a call: whole seconds per request, number of attempts, and seconds within which attempts start."""

    request_seconds: int = 60
    attempts: int = 5
    seconds: float = 60.0

    @property
    def longest(self) -> float:
        """Upper bound of a call's duration, in seconds; a request's limit restarts with each part of the answer."""
        return self.seconds + 2 * self.request_seconds


class ServerConnection:
    """One kernel's connection to a server; safe to share between threads. Its repr shows only the address.

    Args:
        url: ``https://host:port``; the default port is 6333.
        api_key: Sent with every request, only over TLS or to the loopback interface.
        limits: The limits of a call.

    Raises:
        ConfigurationError: The address is invalid, or the key would be sent unencrypted.
    """

    def __init__(self, url: str, api_key: SecretStr | None, limits: RequestLimits) -> None:
        check_address(url, with_key=api_key is not None)
        self.url = url
        self._api_key = api_key
        self._limits = limits
        self._lock = threading.Lock()
        self._client: QdrantClient | None = None
        self._process = os.getpid()
        self._retirement = Retirement()

    def __repr__(self) -> str:
        return f"Connection({self.url!r})"

    def call(
        self,
        what: str,
        request: Callable[..., _Answer],
        *arguments: Any,
        **options: Any,
    ) -> _Answer:
        """Send a request until it is answered, within the limits.

        Args:
            what: The failure to report.
            request: A method of the client; may be called several times.
            arguments: The method's arguments.
            options: The method's keyword arguments.

        Raises:
            StoreUnavailableError: The server cannot be reached, or is overloaded for too long.
            StorageError: The server refused the request or the key.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(StoreUnavailableError),
            stop=stop_after_attempt(self._limits.attempts) | stop_after_delay(self._limits.seconds),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT),
            reraise=True,
        )
        with self._retirement.operation():
            answer: _Answer = retrying(self._send, what, lambda client: request(client, *arguments, **options))
        return answer

    def held(self) -> AbstractContextManager[None]:
        """Delay the retirement until the end of the block, which uses another connection to the same store."""
        return self._retirement.operation()

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def retire(self) -> None:
        """Close permanently, after the calls of other threads; later calls raise StoreUnavailableError.

        Raises:
            StoreUnavailableError: A call does not end; the connection stays usable.
        """
        self._retirement.retire(self._limits.longest)
        self.close()

    def _send(self, what: str, request: Callable[[QdrantClient], _Answer]) -> _Answer:
        try:
            return request(self._open())
        except UnexpectedResponse as error:
            raise self._status_error(what, error.status_code or 0, error.reason_phrase) from None
        except ResourceExhaustedResponse:
            raise self._status_error(what, 429, "Too Many Requests") from None
        except ResponseHandlingException as error:
            # Drop the cause: it may quote the store's content from the request or the answer.
            if isinstance(error.source, ValidationError):
                why = f"{self.url} does not answer like a Qdrant server"
                raise StorageError(what, why, "Correct qdrant_url.") from None
            why = " ".join(f"{self.url}: {error.source or type(error.source).__name__}".split())[:_REPORT_LENGTH]
            raise StoreUnavailableError(what, why, "Check that the Qdrant server runs at qdrant_url.") from None

    def _open(self) -> QdrantClient:
        with self._lock:
            if self._process != os.getpid():  # a forked child must not use its parent's sockets
                self._process, self._client = os.getpid(), None
            if self._client is None:
                key = self._api_key
                self._client = QdrantClient(
                    url=self.url,
                    # As a header, because qdrant-client warns about an api_key over HTTP, which is allowed to loopback.
                    headers={"api-key": key.get_secret_value()} if key else None,
                    prefer_grpc=False,
                    timeout=self._limits.request_seconds,
                    check_compatibility=False,
                )
            return self._client

    def _status_error(self, what: str, status: int, reason: str) -> StorageError:
        why = f"{self.url} answered {status} {reason}".strip()
        if status in _REFUSED:
            return StorageError(what, f"{self.url} refuses the API key", "Correct qdrant_api_key.")
        if status in _TRANSIENT:
            return StoreUnavailableError(what, why, "Try again later.")
        if status == _TOO_LARGE:
            return StorageError(what, why, "Raise the server's max_request_size_mb.")
        return StorageError(what, why)


def check_address(url: str, *, with_key: bool) -> None:
    """Check that an address is valid, holds no credentials, and would not send a key unencrypted.

    Raises:
        ConfigurationError: The address fails one of these checks.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("qdrant_url cannot be used", "it is not a valid address") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("qdrant_url cannot be used", "it must be http:// or https:// and a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        why = "it holds more than a host, a port and a path"
        raise ConfigurationError("qdrant_url cannot be used", why, "Set the key as qdrant_api_key.")
    if with_key and parts.scheme == "http" and not _is_loopback(host):
        why = f"http to {host} would send the API key unencrypted"
        raise ConfigurationError("qdrant_url cannot be used", why, "Use https://.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
