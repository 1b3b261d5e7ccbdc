"""The purpose of a call, such as ``scan/0a1b2c``, in its user agent: CloudTrail records then show which scan made it.

A separate module, so that code that sets a purpose need not import the sessions.
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
    """Add a text without spaces to the user agent of the calls that this thread makes in the block."""
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
