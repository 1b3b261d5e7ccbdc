"""Times in answers, read without botocore's general parser, in which a scan would spend much of its time."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from botocore.utils import parse_timestamp

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def parsed_time(value: Any) -> datetime:
    """Return the time that an answer tells, whatever botocore understands: ISO 8601, RFC 822, or seconds.

    Raises:
        ValueError: It is no time.
    """
    if isinstance(value, str) and _ISO.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass  # as the last second of a minute that has one more: botocore's parser has the word
    found: datetime = parse_timestamp(value)
    return found
