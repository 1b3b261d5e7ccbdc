"""A list that an operation answers with, and how a page of it is cut."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.selectors import select
from tests.synthetic_aws.models import paging
from tests.synthetic_aws.samples import filled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.synthetic_aws.call import Call

#: Where no limit was asked for.
_PAGE = 100
#: Some operations take no shorter token, for it is an ARN elsewhere.
_TOKEN = 48


@dataclass(frozen=True, eq=False)
class Listing:
    """Items of a list answer: item ``n`` is the template ``n`` modulo their number, with ``n`` in its tokens.

    Args:
        templates: Members of the answer's list; concrete items are templates without tokens.
        count: How many items there are; one for each template if not given.
        at: The place of the list in the answer, the operation's first one if empty.
        by_question: Whether items differ with the parameters of the call, as those of different parents do.
    """

    templates: Sequence[Any]
    count: int = -1
    at: str = ""
    by_question: bool = False

    @property
    def size(self) -> int:
        """How many items there are."""
        return len(self.templates) if self.count < 0 else self.count

    def word(self, number: int, call: Call) -> str:
        """Return what stands for an item's number."""
        return f"{call.digest}{number:05}" if self.by_question else f"{number:07}"

    def item(self, number: int, call: Call) -> Any:
        """Return an item as data."""
        return filled(self.templates[number % len(self.templates)], self.word(number, call))


@dataclass(frozen=True)
class Page:
    """A stretch of a listing; ``token`` leads to the rest of it, empty if there is none."""

    start: int
    stop: int
    token: str = ""


class InvalidTokenError(Exception):
    """A page token that was never given out for this question."""


@dataclass
class Pages:
    """Cuts listings into pages, as the request's limit says, and remembers where each token leads; thread-safe."""

    largest: int
    _places: dict[tuple[str, ...], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def page(self, call: Call, listing: Listing) -> Page:
        """Return the page that a call asks for.

        Raises:
            InvalidTokenError: Its token is of another question, or made up.
        """
        rules = paging(call.service, call.operation)
        if rules is None:
            return Page(0, listing.size)
        start = self._start(call, rules.inputs)
        limit = min(int(call.parameters.get(rules.limit) or _PAGE), self.largest)
        stop = min(start + limit, listing.size)
        if stop >= listing.size:
            return Page(start, stop)
        return Page(start, stop, f"{call.digest}-{stop}-".ljust(_TOKEN, "0"))

    def remember(self, call: Call, answer: Any, page: Page) -> None:
        """Note where the tokens of a page lead, as its answer says them."""
        rules = paging(call.service, call.operation)
        if rules is None or not page.token:
            return
        said = tuple(select(selector, answer) for selector in rules.outputs)
        with self._lock:
            self._places[self._key(call, said)] = page.stop

    def _start(self, call: Call, names: Sequence[str]) -> int:
        given = tuple(call.parameters.get(name) for name in names)
        if all(value is None for value in given):
            return 0
        try:
            return self._places[self._key(call, given)]
        except KeyError:
            raise InvalidTokenError(str(given)) from None

    @staticmethod
    def _key(call: Call, tokens: Sequence[Any]) -> tuple[str, ...]:
        return (*call.place, call.digest, json.dumps([token for token in tokens if token is not None], default=str))
