"""Says what pydantic found wrong with a declaration, for a person who writes YAML and knows no Python types."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no known field: remove it, or correct its name",
    "dict_type": "write a map of fields",
    "model_type": "write a map of fields",
    "list_type": "write a list",
    "tuple_type": "write a list",
    "string_type": "write text",
    "string_too_short": "is empty: write text",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
}
#: The limits that pydantic names in the context of an error, and how a person says them.
_LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def problem_words(error: ErrorDetails) -> str:
    """Return one of pydantic's errors in plain words, without the place."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in ("literal_error", "enum"):
        return f"write {context['expected']}"
    if kind == "string_pattern_mismatch":
        return f"does not have the form {context['pattern']}"
    for name, words in _LIMITS.items():
        if name in context:
            return f"write {words} {context[name]}"
    return error["msg"].removeprefix("Value error, ")
