"""Which of a resource's fields the store can compare, and the numbers that stand for their values.

The values of all fields lie in two lists, ``groups`` for what many resources share and can be counted by, ``marks`` for
what tells them apart. A number is 63 bits: four say which field it is of, the rest are the first 59 of the blind value.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The payload's two lists.
GROUPS, MARKS = "groups", "marks"
#: Fields by the list that they lie in. The order of all is part of the store's format.
GROUPED: Final = (
    "account_id", "account_name", "region", "service", "resource_type", "state", "tag_keys", "traits",
)  # fmt: skip
MARKED: Final = ("name", "identifier", "arn", "tags", "cell")
#: The scan is a field of its own, since every scan writes it anew.
_NUMBERED: Final = (*GROUPED, *MARKED, "scan")
_PLACES: Final[Mapping[str, int]] = {field: place for place, field in enumerate(_NUMBERED)}
_VALUE_BITS: Final = 59
_EIGHT_BYTES: Final = 64


def list_of(field: str) -> str:
    """Return the payload's list in which the values of a field lie."""
    return GROUPS if field in GROUPED else MARKS


def numbered(field: str, blind: str) -> int:
    """Return the number for a field's blind value.

    Two values of a field have the same number with a chance of 2^-59, so among a million of them with one of a million.
    """
    # The first eleven of its characters are 66 bits.
    leading = int.from_bytes(base64.urlsafe_b64decode(blind[:11] + "A"), "big") >> 8
    return _PLACES[field] << _VALUE_BITS | leading >> (_EIGHT_BYTES - _VALUE_BITS)


def field_of(number: int) -> str:
    """Return the field that a number is of."""
    return _NUMBERED[number >> _VALUE_BITS]
