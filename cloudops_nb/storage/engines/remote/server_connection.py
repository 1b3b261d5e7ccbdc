"""Requests to a Qdrant server: over TLS, repeated while it is out of reach; errors are one line and hold no secret."""

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
#: Answers after which the same request may succeed; every request of ours may be repeated.
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How long a server may take: for one request, in whole seconds, and how often and how long it is asked again."""

    request_seconds: int = 60
    attempts: int = 5
    seconds: float = 60.0

    @property
    def longest(self) -> float:
        """How long a call may take at most, in seconds; a request's time runs anew for each part of its answer."""
        return self.seconds + 2 * self.request_seconds


class ServerConnection:
    """One kernel's way to a server; safe to share between threads. Its repr shows the address alone.

    Args:
        url: ``https://host:port``; port 6333 where none is named.
        api_key: Sent with every request; only over TLS, or to this very host.
        patience: How long the server may take.

    Raises:
        ConfigurationError: The address cannot be used, or the key would travel in the clear.
    """

    def __init__(self, url: str, api_key: SecretStr | None, patience: RequestLimits) -> None:
        check_address(url, with_key=api_key is not None)
        self.url = url
        self._api_key = api_key
        self._patience = patience
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
        """Send a request until it is answered.

        Args:
            what: What failed if it fails, for the error.
            request: A method of the client; it may be called several times.
            arguments: Its arguments.
            options: Its keywords.

        Raises:
            StoreUnavailableError: The server cannot be reached, or has been overloaded for too long.
            StorageError: The server refused the request or the key.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(StoreUnavailableError),
            stop=stop_after_attempt(self._patience.attempts) | stop_after_delay(self._patience.seconds),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT),
            reraise=True,
        )
        with self._retirement.operation():
            answer: _Answer = retrying(self._send, what, lambda client: request(client, *arguments, **options))
        return answer

    def held(self) -> AbstractContextManager[None]:
        """Keep this from being retired for the block, in which another connection to the same store is used."""
        return self._retirement.operation()

    def close(self) -> None:
        """Let go of the sockets; the next call opens others."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def retire(self) -> None:
        """Close for good, once no thread is in the middle of a call; later ones raise StoreUnavailableError.

        Raises:
            StoreUnavailableError: A call does not end; nothing is closed.
        """
        self._retirement.retire(self._patience.longest)
        self.close()

    def _send(self, what: str, request: Callable[[QdrantClient], _Answer]) -> _Answer:
        try:
            return request(self._open())
        except UnexpectedResponse as error:
            raise self._refused(what, error.status_code or 0, error.reason_phrase) from None
        except ResourceExhaustedResponse:
            raise self._refused(what, 429, "Too Many Requests") from None
        except ResponseHandlingException as error:
            # Without their cause: what it quotes of an answer or a request is the store's content.
            if isinstance(error.source, ValidationError):
                why = f"{self.url} does not answer as a Qdrant server does"
                raise StorageError(what, why, "Correct qdrant_url.") from None
            why = " ".join(f"{self.url}: {error.source or type(error.source).__name__}".split())[:_REPORT_LENGTH]
            raise StoreUnavailableError(what, why, "Is the Qdrant server running, and the address right?") from None

    def _open(self) -> QdrantClient:
        with self._lock:
            if self._process != os.getpid():  # a forked child must not talk on its parent's sockets
                self._process, self._client = os.getpid(), None
            if self._client is None:
                key = self._api_key
                self._client = QdrantClient(
                    url=self.url,
                    # As a header: given as a key, the client would warn of plain HTTP, which we allow to this host.
                    headers={"api-key": key.get_secret_value()} if key else None,
                    prefer_grpc=False,
                    timeout=self._patience.request_seconds,
                    check_compatibility=False,
                )
            return self._client

    def _refused(self, what: str, status: int, reason: str) -> StorageError:
        why = f"{self.url} answered {status} {reason}".strip()
        if status in _REFUSED:
            return StorageError(what, f"{self.url} refuses the API key", "Correct qdrant_api_key.")
        if status in _TRANSIENT:
            return StoreUnavailableError(what, why, "Try again later.")
        if status == _TOO_LARGE:
            return StorageError(what, why, "Raise the server's max_request_size_mb.")
        return StorageError(what, why)


def check_address(url: str, *, with_key: bool) -> None:
    """See that an address is one, holds no credentials, and does not send a key in the clear.

    Raises:
        ConfigurationError: It is not so.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("qdrant_url cannot be used", "it is no address") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("qdrant_url cannot be used", "it must be http:// or https:// and a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        why = "it holds more than a host, a port and a path"
        raise ConfigurationError("qdrant_url cannot be used", why, "Give the key as qdrant_api_key.")
    if with_key and parts.scheme == "http" and not _loopback(host):
        why = f"http to {host} would send the API key in the clear"
        raise ConfigurationError("qdrant_url cannot be used", why, "Use https://.")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
