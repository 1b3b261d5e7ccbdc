"""Selectors: JMESPath expressions, as in botocore's paginators, with some additional functions for AWS's responses."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jmespath
from jmespath import functions

from cloudops_nb.declarations.selector_closures import Closure, compiled_closure

if TYPE_CHECKING:
    from datetime import datetime

_DAY_LENGTH = len("2025-01-31")
_LAST_PART = re.compile(r"[^/:]*\Z")


class _Functions(functions.Functions):  # type: ignore[misc]  # jmespath ships no types
    """The additional functions. For null they return null, so that an absent field gives null and not an error.

    jmespath finds the functions by the prefix ``_func_``, and checks their arguments against the signatures.
    """

    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]  # as above
    def _func_arn_name(self, arn: str | None) -> str | None:
        """Return the text after the last colon or slash of an ARN or a URL."""
        return None if arn is None else _LAST_PART.findall(arn)[0]

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})  # type: ignore[untyped-decorator]  # as above
    def _func_split(self, text: str | None, separator: str) -> list[str] | None:
        """Return the parts of a text between separators, such as the parts of an ARN between its colons."""
        return None if text is None else text.split(separator)

    @functions.signature({"types": ["string", "null"]})  # type: ignore[untyped-decorator]  # as above
    def _func_parsed_json(self, text: str | None) -> Any:
        """Return the data of a string that contains JSON; null for an empty string."""
        return None if not text else json.loads(text)

    @functions.signature({"types": ["number", "null"]})  # type: ignore[untyped-decorator]  # as above
    def _func_roughly(self, number: float | None) -> int | None:
        """Return a number rounded to two significant digits, so that a growing count does not change in every scan."""
        if number is None:
            return None
        return round(int(number), 2 - max(len(str(abs(int(number)))), 2))

    @functions.signature({"types": []})  # type: ignore[untyped-decorator]  # as above
    def _func_day(self, moment: datetime | str | None) -> str | None:
        """Return the date in a timestamp (``2025-01-31``), so that a time of last use changes at most once per day."""
        return None if moment is None else str(moment)[:_DAY_LENGTH]


_OPTIONS = jmespath.Options(custom_functions=_Functions())


@lru_cache(maxsize=4096)
def compiled(selector: str) -> Any:
    """Return the parsed selector.

    Raises:
        jmespath.exceptions.JMESPathError: The text is not a JMESPath expression.
    """
    return jmespath.compile(selector)


@lru_cache(maxsize=4096)
def _closure(selector: str) -> Closure:
    return compiled_closure(compiled(selector).parsed, _OPTIONS)


def select(selector: str, data: Any) -> Any:
    """Return the value that a selector gives for data; ``None`` is JMESPath's null."""
    return _closure(selector)(data)


def holds(selector: str, data: Any) -> bool:
    """Return whether a condition is true for data. In JMESPath, null, false and empty values are false; 0 is true."""
    found = select(selector, data)
    return found is not None and found is not False and found not in ("", [], {})


@lru_cache(maxsize=4096)
def fields(selector: str) -> frozenset[str]:
    """Return the names of all fields in a selector."""
    return frozenset(_field_names(compiled(selector).parsed))


def _field_names(node: dict[str, Any]) -> list[str]:
    here = [node["value"]] if node["type"] == "field" else []
    children = [child for child in node["children"] if isinstance(child, dict)]
    return here + [name for child in children for name in _field_names(child)]
