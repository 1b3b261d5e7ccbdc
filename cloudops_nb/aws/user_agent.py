"""What our calls say of themselves, so that CloudTrail can be joined with a scan."""

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
    """Add a word, as ``scan/0a1b2c``, to the user agent of this thread's calls inside."""
    token = _purpose.set(word)
    try:
        yield
    finally:
        _purpose.reset(token)


def add_purpose(request: Any, **_: Any) -> None:
    """Handle botocore's ``request-created``: write the purpose into the request, before it is signed."""
    word = _purpose.get()
    if word:
        agent = request.headers.get("User-Agent", "")
        agent = agent.decode() if isinstance(agent, bytes) else agent
        del request.headers["User-Agent"]
        request.headers["User-Agent"] = f"{agent} md/{word}"
