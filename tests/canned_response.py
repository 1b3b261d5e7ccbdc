"""Responses that handlers of botocore's ``before-send`` event return in place of the network's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class _Body:
    """As much of urllib3's response as botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def canned_response(url: str, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> AWSResponse:
    """Return a response with this body."""
    fields: Any = dict(headers or {})  # botocore copies any mapping; its stubs ask for an HTTPHeaders
    return AWSResponse(url, status, fields, _Body(body))
