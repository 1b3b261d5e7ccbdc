"""The fields of a resource that the engine can compare, and the numbers that represent their values.

A point's payload holds these numbers for all fields in two lists: ``groups`` for the fields whose values many resources
share, ``marks`` for the other fields. A number has 63 bits: four bits for the field, and the first 59 bits of the blind
value, which is a keyed hash of the value.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The names of the payload's two lists.
GROUPS, MARKS = "groups", "marks"
#: The fields of each list. Their order must not change, because a field's position is stored in its numbers.
GROUPED: Final = (
    "account_id", "account_name", "region", "service", "resource_type", "state", "tag_keys", "traits",
)  # fmt: skip
MARKED: Final = ("name", "identifier", "arn", "tags", "cell")
#: The scan is numbered too, but its number is in a separate payload field, because every scan rewrites it.
_NUMBERED: Final = (*GROUPED, *MARKED, "scan")
_FIELD_CODES: Final[Mapping[str, int]] = {field: code for code, field in enumerate(_NUMBERED)}
_VALUE_BITS: Final = 59
_EIGHT_BYTES: Final = 64


def list_of(field: str) -> str:
    """Return the payload list that holds the values of a field."""
    return GROUPS if field in GROUPED else MARKS


def numbered(field: str, blind: str) -> int:
    """Return the number for a field's blind value.

    The probability that two values of a field have the same number is 2^-59. Among a million values, the probability
    that any two have the same number is about one in a million.
    """
    # Eleven base64 characters hold 66 bits; the padding to twelve makes nine bytes, of which the first eight are kept.
    leading = int.from_bytes(base64.urlsafe_b64decode(blind[:11] + "A"), "big") >> 8
    return _FIELD_CODES[field] << _VALUE_BITS | leading >> (_EIGHT_BYTES - _VALUE_BITS)


def field_of(number: int) -> str:
    """Return the field of a number."""
    return _NUMBERED[number >> _VALUE_BITS]
