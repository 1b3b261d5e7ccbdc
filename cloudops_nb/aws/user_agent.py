"""Words in the user agent of calls, by which CloudTrail records can be joined with a scan.

Its own module, because callers outside this package set a purpose without importing sessions.
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
def purpose(word: str) -> Iterator[None]:
    """Add a word, as ``scan/0a1b2c``, to the user agent of the calls that this thread makes in the block."""
    token = _purpose.set(word)
    try:
        yield
    finally:
        _purpose.reset(token)


def add_purpose(request: Any, **_: Any) -> None:
    """Handle botocore's ``request-created``: add the purpose to the user agent before the request is signed."""
    word = _purpose.get()
    if word:
        agent = request.headers.get("User-Agent", "")
        agent = agent.decode() if isinstance(agent, bytes) else agent
        del request.headers["User-Agent"]
        request.headers["User-Agent"] = f"{agent} md/{word}"
