"""Calls that botocore sends once, whatever the retry mode of the client.

botocore retries inside a client, where a caller cannot stop it: a mutating call whose answer was lost would be sent
again. Its event ``response-received`` comes after each attempt and before the decision to retry, so raising there ends
the call. Only calls made inside :func:`single_attempt` are affected; the client may be shared with other threads.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HANDLER_ID = "cloudops-single-attempt"
_FIRST_ERROR_STATUS = 300

_active: ContextVar[bool] = ContextVar("cloudops_single_attempt", default=False)


@contextmanager
def single_attempt(client: Any) -> Iterator[None]:
    """Make the calls of this thread inside the block end with their first attempt, failed or not."""
    client.meta.events.register("response-received", _end_call, unique_id=_HANDLER_ID)
    token = _active.set(True)
    try:
        yield
    finally:
        _active.reset(token)


def _end_call(
    event_name: str,
    parsed_response: Mapping[str, Any] | None = None,
    exception: Exception | None = None,
    **_: Any,
) -> None:
    if not _active.get():
        return
    if exception is not None:
        raise exception
    metadata = (parsed_response or {}).get("ResponseMetadata", {})
    if parsed_response and metadata.get("HTTPStatusCode", 0) >= _FIRST_ERROR_STATUS:
        from botocore.exceptions import ClientError

        raise ClientError(cast("Any", parsed_response), event_name.rsplit(".", 1)[-1])
