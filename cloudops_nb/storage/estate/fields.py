"""The fields of a resource that the engine can compare, and the numbers that represent their values.

A point's payload holds the values of all fields in two lists: ``groups`` for values that many resources share and that
can be counted, ``marks`` for values that identify a resource. A number has 63 bits: four for the field, and the first
59 bits of the blind value.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The payload's two lists.
GROUPS, MARKS = "groups", "marks"
#: The fields of each list. Their order is part of the store's format.
GROUPED: Final = (
    "account_id", "account_name", "region", "service", "resource_type", "state", "tag_keys", "traits",
)  # fmt: skip
MARKED: Final = ("name", "identifier", "arn", "tags", "cell")
#: The scan is a separate payload field, because every scan rewrites it.
_NUMBERED: Final = (*GROUPED, *MARKED, "scan")
_FIELD_CODES: Final[Mapping[str, int]] = {field: code for code, field in enumerate(_NUMBERED)}
_VALUE_BITS: Final = 59
_EIGHT_BYTES: Final = 64


def list_of(field: str) -> str:
    """Return the payload list that holds the values of a field."""
    return GROUPS if field in GROUPED else MARKS


def numbered(field: str, blind: str) -> int:
    """Return the number for a field's blind value.

    Two values of a field have the same number with a probability of 2^-59; among a million values the probability of
    any such pair is about one in a million.
    """
    # Eleven base64 characters hold 66 bits.
    leading = int.from_bytes(base64.urlsafe_b64decode(blind[:11] + "A"), "big") >> 8
    return _FIELD_CODES[field] << _VALUE_BITS | leading >> (_EIGHT_BYTES - _VALUE_BITS)


def field_of(number: int) -> str:
    """Return the field of a number."""
    return _NUMBERED[number >> _VALUE_BITS]
