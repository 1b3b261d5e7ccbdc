"""Requests to a Qdrant server: over TLS, repeated while it is out of reach; errors are one line and hold no secret."""

from __future__ import annotations

import ipaddress
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_random_exponential

from cloudops_nb.errors import ConfigurationError, StorageError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

_Answer = TypeVar("_Answer")

_ATTEMPTS, _PATIENCE_SECONDS = 5, 60.0
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_REPORT_LENGTH = 200
_REFUSED = (401, 403)
#: Answers after which the same request may succeed; every request of ours may be repeated.
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_TOO_LARGE = 413


class Connection:
    """One kernel's way to a server; safe to share between threads. Its repr shows the address alone.

    Args:
        url: ``https://host:port``; port 6333 where none is named.
        api_key: Sent with every request; only over TLS, or to this very host.
        timeout: How long one request may take, in whole seconds.

    Raises:
        ConfigurationError: The address cannot be used, or the key would travel in the clear.
    """

    def __init__(self, url: str, api_key: SecretStr | None, timeout: int) -> None:
        check_address(url, with_key=api_key is not None)
        self.url = url
        self._api_key = api_key
        self._timeout = timeout
        self._lock = threading.Lock()
        self._client: QdrantClient | None = None
        self._process = os.getpid()
        self._retired = False

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
            stop=stop_after_attempt(_ATTEMPTS) | stop_after_delay(_PATIENCE_SECONDS),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT),
            reraise=True,
        )
        self._open()
        answer: _Answer = retrying(self._send, what, lambda client: request(client, *arguments, **options))
        return answer

    def close(self) -> None:
        """Let go of the sockets; the next call opens others."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def retire(self) -> None:
        """Close for good; later calls raise StoreUnavailableError."""
        self._retired = True
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
            if self._retired:  # whoever replaces the store's parts must be sure that no thread writes to the old ones
                raise StoreUnavailableError("the store was closed", "", "Ask the storage service for it again.")
            if self._process != os.getpid():  # a forked child must not talk on its parent's sockets
                self._process, self._client = os.getpid(), None
            if self._client is None:
                key = self._api_key
                self._client = QdrantClient(
                    url=self.url,
                    # As a header: given as a key, the client would warn of plain HTTP, which we allow to this host.
                    headers={"api-key": key.get_secret_value()} if key else None,
                    prefer_grpc=False,
                    timeout=self._timeout,
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
