"""Sends requests to a Qdrant server, with retries; error texts are one line without secrets or the store's content."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_random_exponential

from cloudops_nb.errors import StorageError, StoreUnavailableError
from cloudops_nb.remote_address import check_address, httpx_options
from cloudops_nb.storage.engines.retirement import Retirement

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pydantic import SecretStr

_Response = TypeVar("_Response")

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_MAX_REASON_LENGTH = 200
_REFUSED = (401, 403)
#: Status codes after which the same request may succeed. It can be repeated, because every request here is idempotent.
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_TOO_LARGE = 413


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits of a call, which sends the same request until one attempt succeeds.

    Attributes:
        request_seconds: The timeout of one attempt, which restarts whenever a part of the response arrives.
        attempts: The highest number of attempts.
        seconds: The time after which no further attempt starts.
    """

    request_seconds: int = 60
    attempts: int = 5
    seconds: float = 60.0

    @property
    def longest(self) -> float:
        """How long a call usually takes at most, in seconds; a slow response in many parts can take longer."""
        return self.seconds + 2 * self.request_seconds


class ServerConnection:
    """A connection to a server, opened at its first use; safe to share between threads. Its repr shows no key.

    Args:
        url: The server's address, such as ``https://host:port``; the default port is 6333.
        api_key: The key that is sent with every request, if any.
        limits: The limits of each call.

    Raises:
        ConfigurationError: The address is invalid, or is plain HTTP to another host.
    """

    def __init__(self, url: str, api_key: SecretStr | None, limits: RequestLimits) -> None:
        check_address("qdrant_url", url)
        self.url = url
        self._api_key = api_key
        self._limits = limits
        self._lock = threading.Lock()
        self._client: QdrantClient | None = None
        self._process = os.getpid()
        self._retirement = Retirement()

    def __repr__(self) -> str:
        return f"ServerConnection({self.url!r})"

    def call(
        self,
        what: str,
        request: Callable[..., _Response],
        *arguments: Any,
        **options: Any,
    ) -> _Response:
        """Send a request, and repeat it within the limits while the server is unavailable; returns the response.

        Args:
            what: The first part of the error text, such as "the store cannot be read".
            request: A method of ``QdrantClient``; may be called several times.
            arguments: The method's positional arguments.
            options: The method's keyword arguments.

        Raises:
            StoreUnavailableError: The server cannot be reached or is overloaded, or this connection is retired.
            StorageError: The server refused the request or the key, or is not a Qdrant server.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(StoreUnavailableError),
            stop=stop_after_attempt(self._limits.attempts) | stop_after_delay(self._limits.seconds),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT),
            reraise=True,
        )
        with self._retirement.operation():
            response: _Response = retrying(self._send, what, lambda client: request(client, *arguments, **options))
        return response

    def operation(self) -> AbstractContextManager[None]:
        """Count the block, which makes calls on a temporary connection, as a call: :meth:`retire` waits for it."""
        return self._retirement.operation()

    def close(self) -> None:
        """Close the sockets; the next call opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def retire(self) -> None:
        """Close permanently once the calls of other threads end; later calls raise StoreUnavailableError.

        Raises:
            StoreUnavailableError: A call did not end in time; the connection stays usable.
        """
        self._retirement.retire(self._limits.longest)
        self.close()

    def _send(self, what: str, request: Callable[[QdrantClient], _Response]) -> _Response:
        try:
            return request(self._open())
        except UnexpectedResponse as error:
            raise self._status_error(what, error.status_code or 0, error.reason_phrase) from None
        except ResourceExhaustedResponse:
            raise self._status_error(what, 429, "Too Many Requests") from None
        except ResponseHandlingException as error:
            # Drop the cause: it may quote the store's content from the request or the response.
            if isinstance(error.source, ValidationError):
                why = f"the response of {self.url} is not one of a Qdrant server"
                raise StorageError(what, why, "Correct qdrant_url.") from None
            why = " ".join(f"{self.url}: {error.source or type(error.source).__name__}".split())[:_MAX_REASON_LENGTH]
            raise StoreUnavailableError(what, why, "Check that the Qdrant server is running at qdrant_url.") from None

    def _open(self) -> QdrantClient:
        with self._lock:
            if self._process != os.getpid():  # a forked child must not use its parent's sockets
                self._process, self._client = os.getpid(), None
            if self._client is None:
                key = self._api_key
                self._client = QdrantClient(
                    url=self.url,
                    # Not the argument api_key: with it, qdrant-client warns about http, which is allowed on this host.
                    headers={"api-key": key.get_secret_value()} if key else None,
                    prefer_grpc=False,
                    timeout=self._limits.request_seconds,
                    check_compatibility=False,
                    **httpx_options(self.url),
                )
            return self._client

    def _status_error(self, what: str, status: int, reason: str) -> StorageError:
        why = f"{self.url} returned {status} {reason}".strip()
        if status in _REFUSED:
            return StorageError(what, f"{self.url} refused the API key", "Correct qdrant_api_key.")
        if status in _TRANSIENT:
            return StoreUnavailableError(what, why, "Try again later.")
        if status == _TOO_LARGE:
            return StorageError(what, why, "Raise the server's max_request_size_mb.")
        return StorageError(what, why)
