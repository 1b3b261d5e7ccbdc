"""Converts the estate's points (the AWS resources that scans found) from store format 2 to format 3.

A point holds keyed hashes of its fields' values, called blind values. In format 2 a blind value is a text; in format 3
it is a number of 63 bits: four for the field, and the first 59 of the blind value. The number is computed from the text
alone, so the conversion needs no key.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cloudops_nb.storage.estate.fields import GROUPS, MARKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.storage.engines.vector_store import Point

#: The first store format in which blind values are numbers.
NUMBERED_FORMAT: Final = 3
#: The bits of a number that hold the blind value.
VALUE_BITS: Final = 59
# The fields of format 3; a field's code is its position.
_GROUPED: Final = ("account_id", "account_name", "region", "service", "resource_type", "state", "tag_keys", "traits")
_MARKED: Final = ("name", "identifier", "arn", "tags", "cell")
_FIELDS: Final = (*_GROUPED, *_MARKED, "scan")


def numbered_point(point: Point) -> Point:
    """Convert a point from format 2 to format 3: its blind values become numbers, most of them in two lists.

    Blind values that are damaged are left out; decryption finds the damage.
    """
    kept = {name: value for name, value in point.payload.items() if name not in (*_GROUPED, *_MARKED)}
    lists = {GROUPS: [*_numbers(point.payload, _GROUPED)], MARKS: [*_numbers(point.payload, _MARKED)]}
    return replace(point, payload={**kept, **lists, "scan": next(_numbers(point.payload, ["scan"]), 0)})


def _numbers(payload: Mapping[str, Any], fields: Sequence[str]) -> Iterator[int]:
    for field in fields:
        values = payload.get(field)
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str):
                with suppress(ValueError):
                    yield _numbered(field, value)


def _numbered(field: str, blind: str) -> int:
    # Eleven base64 characters hold 66 bits. A twelfth completes nine bytes, of which the first eight are kept.
    leading = int.from_bytes(base64.urlsafe_b64decode(blind[:11] + "A"), "big") >> 8
    return _FIELDS.index(field) << VALUE_BITS | leading >> (64 - VALUE_BITS)
