"""Keeps what one request does to moto's way of answering from every other request."""

from __future__ import annotations

from functools import wraps
from typing import Any

from moto.core.responses import BaseResponse

_RULES = "RESPONSE_KEY_PATH_TO_TRANSFORMER"


def keep_requests_apart() -> None:
    """Give every request a copy of its service's rules of writing answers.

    moto's operations change the rules for the whole service, while other threads go through them: a request in another
    thread is then answered with a 500, or without a field that it should have.
    """
    made = BaseResponse.__init__

    @wraps(made)
    def made_with_own_rules(self: BaseResponse, *arguments: Any, **keywords: Any) -> None:
        made(self, *arguments, **keywords)
        setattr(self, _RULES, dict(getattr(self, _RULES, {})))

    BaseResponse.__init__ = made_with_own_rules  # type: ignore[method-assign]  # moto has no other door
