"""Represents the values of a resource's fields by numbers that Qdrant can compare without knowing the values.

The payload of a resource's point holds these numbers in two lists: ``groups`` for fields whose values many resources
share, such as the region, and ``marks`` for the other fields, such as the name. A number has 63 bits: six bits for the
field, and the first 57 bits of the blind value, which is a keyed hash of the value.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The names of the two lists in the payload.
GROUPS, MARKS = "groups", "marks"
#: The fields in each list. Do not change their order: the stored numbers contain the position of the field.
GROUPED: Final = (
    "account_id", "account_name", "region", "service", "resource_type", "state", "tag_keys", "traits",
)  # fmt: skip
MARKED: Final = ("name", "identifier", "arn", "tags", "cell")
#: The scan id also has such a number, but in a payload field of its own, because every scan rewrites it. The key of a
#: relation's target is in the list of marks.
TARGET: Final = "target"
_NUMBERED: Final = (*GROUPED, *MARKED, "scan", TARGET)
_FIELD_CODES: Final[Mapping[str, int]] = {field: code for code, field in enumerate(_NUMBERED)}
#: The bits of a number that hold the blind value.
VALUE_BITS: Final = 57
_EIGHT_BYTES: Final = 64


def list_of(field: str) -> str:
    """Return the name of the payload list that holds a field's numbers."""
    return GROUPS if field in GROUPED else MARKS


def numbered(field: str, blind: str) -> int:
    """Return the number for a field's blind value.

    The probability that two different values of a field have the same number is 2^-57. Among a million values, the
    probability that any two have the same number is about one in 290,000.
    """
    # Eleven base64 characters hold 66 bits. A twelfth completes nine bytes, of which the first eight are kept.
    leading = int.from_bytes(base64.urlsafe_b64decode(blind[:11] + "A"), "big") >> 8
    return _FIELD_CODES[field] << VALUE_BITS | leading >> (_EIGHT_BYTES - VALUE_BITS)


def field_of(number: object) -> str:
    """Return the name of the field whose value a number represents; empty if the value is no such number."""
    if not isinstance(number, int):
        return ""
    code = number >> VALUE_BITS
    return _NUMBERED[code] if 0 <= code < len(_NUMBERED) else ""
