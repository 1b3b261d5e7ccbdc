"""Adds the purpose of a call, such as ``scan/0a1b2c``, to its user agent, so that CloudTrail shows which scan called.

A module of its own, so that code can set a purpose without importing the sessions.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from cloudops_nb.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

TOOL = f"cloudops_nb/{VERSION}"

_purpose: ContextVar[str] = ContextVar("purpose", default="")


@contextlib.contextmanager
def purpose(text: str) -> Iterator[None]:
    """Add ``text``, which must not contain spaces, to the user agent of each call of this thread in the block."""
    token = _purpose.set(text)
    try:
        yield
    finally:
        _purpose.reset(token)


def add_purpose(request: Any, **_: Any) -> None:
    """Handle botocore's ``request-created`` event: add the purpose to the user agent before the request is signed."""
    text = _purpose.get()
    if text:
        agent = request.headers.get("User-Agent", "")
        agent = agent.decode() if isinstance(agent, bytes) else agent
        del request.headers["User-Agent"]
        request.headers["User-Agent"] = f"{agent} md/{text}"
