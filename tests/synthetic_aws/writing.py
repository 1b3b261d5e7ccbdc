"""Writes answers as the services do, with moto's serializers; an item is serialised once for all its copies."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from moto.core.serialize import get_serializer_class

from cloudops_nb.declarations.selectors import select
from tests.synthetic_aws.call import Answer
from tests.synthetic_aws.listing import Pages
from tests.synthetic_aws.models import TOKEN_NAMES, list_path, operation_model, paging, protocol
from tests.synthetic_aws.samples import ACCOUNT, NEXT, NUMBER, REGION, filled, put, sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.synthetic_aws.call import Call
    from tests.synthetic_aws.listing import Listing, Page

#: Bytes of pages that are kept as they are sent.
_ROOM = 1 << 25


@dataclass(frozen=True)
class _Pieces:
    """What pages with copies of one template are made of: the page with its first item, one more item, the end."""

    first: bytes
    more: bytes
    end: bytes


class Writer:
    """Writes answers; thread-safe. What took long to serialise is kept, compressed; the first pages, as they are."""

    def __init__(self, largest_page: int) -> None:
        self.pages = Pages(largest_page)
        self._lock = threading.Lock()
        self._pieces: dict[tuple[Any, ...], _Pieces] = {}
        self._kept: dict[tuple[Any, ...], tuple[Mapping[str, str], bytes]] = {}
        self._held: list[Listing] = []
        self._ready: dict[tuple[Any, ...], Answer] = {}
        self._room = _ROOM

    def listing(self, call: Call, listing: Listing) -> Answer:
        """Write the page of a listing that a call asks for.

        Raises:
            InvalidTokenError: The call's page token leads nowhere.
        """
        page = self.pages.page(call, listing)
        key = (id(listing), call.place, call.digest, page)
        ready = self._ready.get(key)
        if ready is None:
            ready = self._written(call, listing, page)
            with self._lock:
                self._room -= len(ready.body)
                if self._room > 0:
                    self._held.append(listing)
                    self._ready[key] = ready
        return ready

    def _written(self, call: Call, listing: Listing, page: Page) -> Answer:
        if page.stop > page.start and listing.size > len(listing.templates):
            answer = self._of_copies(call, listing, page)
        else:
            answer = self._of_items(call, listing, page)
        return _placed(answer, call, page.token)

    def cut(self, call: Call, listing: Listing) -> Answer:
        """Write the first page of a listing with the flag that there is more, and without a token.

        Raises:
            ValueError: The operation has no such flag.
        """
        rules = paging(call.service, call.operation)
        if rules is None or not rules.more:
            raise ValueError(f"{call.operation} has no flag that says there is more")
        items = [listing.item(number, call) for number in range(min(self.pages.largest, listing.size))]
        data = self._data(call, listing, items, more=False)
        put(rules.more, data, True)  # noqa: FBT003 - the value that is put
        return _placed(_serialised(call.service, call.operation, data), call, "")

    def whole(self, call: Call, data: Mapping[str, Any] | None) -> Answer:
        """Write an answer of one piece, another one for each question; a sample of its shape, if no data is given."""
        key = (call.service, call.operation)
        if data is not None:
            answer = _serialised(*key, data)
        else:
            with self._lock:
                kept = self._kept.get(key)
            if kept is None:
                answer = _serialised(*key, _page(*key))
                kept = self._kept[key] = answer.headers, zlib.compress(answer.body, 1)
            headers, body = kept
            answer = Answer(200, zlib.decompress(body), headers)
        body = answer.body.replace(NUMBER.encode(), call.digest.encode())
        return _placed(Answer(answer.status, body, answer.headers), call, "")

    def _of_items(self, call: Call, listing: Listing, page: Page) -> Answer:
        key = (id(listing), *call.place, call.digest, page)
        with self._lock:
            kept = self._kept.get(key)
        if kept is None:
            items = [listing.item(number, call) for number in range(page.start, page.stop)]
            data = self._data(call, listing, items, more=bool(page.token))
            self.pages.remember(call, _named(data, page.token), page)
            answer = _serialised(call.service, call.operation, data)
            kept = answer.headers, zlib.compress(answer.body, 1)
            with self._lock:
                self._held.append(listing)
                self._kept[key] = kept
        headers, body = kept
        return Answer(200, zlib.decompress(body), headers)

    def _of_copies(self, call: Call, listing: Listing, page: Page) -> Answer:
        more, kinds = bool(page.token), len(listing.templates)
        if more:
            last = [listing.item(page.stop - 1, call)]
            self.pages.remember(call, _named(self._data(call, listing, last, more=True), page.token), page)
        parts = []
        for number in range(page.start, page.stop):
            pieces = self._pieces_of(call, listing, number % kinds, more=more)
            piece = pieces.first if number == page.start else pieces.more
            parts.append(piece.replace(NUMBER.encode(), listing.word(number, call).encode()))
        return Answer(200, b"".join([*parts, pieces.end]), {})

    def _pieces_of(self, call: Call, listing: Listing, kind: int, *, more: bool) -> _Pieces:
        key = (id(listing), call.service, call.operation, kind, more)
        pieces = self._pieces.get(key)
        if pieces is None:
            template = listing.templates[kind]
            one, two = (
                _serialised(call.service, call.operation, self._data(call, listing, items, more=more)).body
                for items in ([template], [template, template])
            )
            at = _common(one, two)
            pieces = _Pieces(one[:at], two[at : at + len(two) - len(one)], one[at:])
            if pieces.first + pieces.more + pieces.end != two or NUMBER.encode() in pieces.end:
                raise AssertionError(f"{call.operation}: its items do not stand in one row")
            with self._lock:
                self._held.append(listing)
                self._pieces[key] = pieces
        return pieces

    def _data(self, call: Call, listing: Listing, items: list[Any], *, more: bool) -> dict[str, Any]:
        data = filled(_page(call.service, call.operation), "0000000")
        for path in {list_path(call.service, call.operation), listing.at} - {""}:
            put(path, data, [])
        put(listing.at or list_path(call.service, call.operation), data, items)
        rules = paging(call.service, call.operation)
        if rules and more:
            for selector in rules.outputs:
                if "[-1]" not in selector.split("||", maxsplit=1)[0]:
                    put(selector, data, NEXT)
            if rules.more:
                put(rules.more, data, True)  # noqa: FBT003 - the value that is put
        return data


@cache
def _page(service: str, operation: str) -> dict[str, Any]:
    """Return an answer that says it is the last page; to be copied, not changed."""
    shape = operation_model(service, operation).output_shape
    data: dict[str, Any] = sample(shape, service) if shape else {}
    rules = paging(service, operation)
    for name in (*TOKEN_NAMES, *(rules.outputs if rules else ())):
        data.pop(name, None)
    if rules:
        for selector in rules.outputs:
            for way in selector.split("||"):
                if "[" not in way and select(way.strip(), data) is not None:
                    put(way.strip(), data, None)
    return data


def _named(data: dict[str, Any], token: str) -> Any:
    """Return an answer with the real token."""
    if isinstance(data, dict):
        return {key: _named(value, token) for key, value in data.items()}
    if isinstance(data, list):
        return [_named(value, token) for value in data[-1:]]
    return data.replace(NEXT, token) if isinstance(data, str) else data


def _serialised(service: str, operation: str, data: Mapping[str, Any]) -> Answer:
    model = operation_model(service, operation)
    written = get_serializer_class(service, protocol(service))(model).serialize(data)
    body = written["body"]
    headers = {str(name): str(value) for name, value in written["headers"].items()}
    return Answer(written["status_code"], body.encode() if isinstance(body, str) else body, headers)


def _placed(answer: Answer, call: Call, token: str) -> Answer:
    """Return an answer with account, region and next page in the place of their tokens."""
    body = answer.body
    for name, value in ((ACCOUNT, call.account), (REGION, call.region), (NEXT, token)):
        body = body.replace(name.encode(), value.encode())
    headers = {
        name: value.replace(ACCOUNT, call.account).replace(REGION, call.region)
        for name, value in answer.headers.items()
    }
    return Answer(answer.status, body, headers)


def _common(one: bytes, two: bytes) -> int:
    """Return the length of the longest common beginning."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == two[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
