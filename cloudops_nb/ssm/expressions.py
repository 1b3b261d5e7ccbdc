"""``{{ }}`` references, as Systems Manager Automation reads them.

A reference names a document parameter (``InstanceId``), an output of an earlier step (``describe.State``), or a
system variable (``global:REGION``, ``automation:EXECUTION_ID``). A string that is one whole reference becomes the
value itself, type included; inside longer text a value becomes text. What was put in is never read again, so that a
value cannot smuggle in a reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cloudops_nb.errors import PlaybookError

#: System variables of Automation; the caller gives their values under these names.
SYSTEM_VARIABLES = frozenset(
    {
        "global:ACCOUNT_ID",
        "global:AWS_PARTITION",
        "global:DATE",
        "global:DATE_TIME",
        "global:REGION",
        "automation:EXECUTION_ID",
    }
)

_REFERENCE = re.compile(r"\{\{\s*([A-Za-z0-9_-]+(?:[.:][A-Za-z0-9_-]+)?)\s*\}\}")


def references(value: Any) -> set[str]:
    """Return the name of every reference in ``value``, however deeply nested.

    Raises:
        PlaybookError: A ``{{`` opens something that is not a reference.
    """
    found: set[str] = set()

    def collect(name: str) -> str:
        found.add(name)
        return ""

    _walk(value, collect)
    return found


def substitute(value: Any, context: Mapping[str, Any], *, partial: bool = False) -> Any:
    """Return ``value`` with every reference replaced; ``value`` and ``context`` stay as they are.

    Args:
        value: Text, or lists and mappings of it; anything else is returned as it is.
        context: Values by reference name: ``{"InstanceId": …, "describe.State": …, "global:REGION": …}``.
        partial: Leave unknown references in place, for showing a step before its run. Values that hold ``{{`` are then
            refused, because a second substitution would take them for references.

    Raises:
        PlaybookError: A reference is malformed or, unless ``partial``, unknown.
    """

    def resolve(name: str) -> Any:
        if name in context:
            found = context[name]
            if partial and "{{" in _as_text(found):
                raise PlaybookError(f"the value of {name} holds {{{{", "it would be read as a reference")
            return found
        if partial:
            return f"{{{{ {name} }}}}"
        known = ", ".join(sorted(context)) or "none"
        raise PlaybookError(f"unknown reference {{{{ {name} }}}}", f"the known ones are {known}")

    return _walk(value, resolve)


def _walk(value: Any, resolve: Callable[[str], Any]) -> Any:
    if isinstance(value, str):
        return _resolve_text(value, resolve)
    if isinstance(value, Mapping):
        for key in value:
            if "{{" in str(key):
                raise PlaybookError(f"a reference cannot stand in a key: {key}")
        return {key: _walk(item, resolve) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_walk(item, resolve) for item in value]
    return value


def _resolve_text(text: str, resolve: Callable[[str], Any]) -> Any:
    whole = _REFERENCE.fullmatch(text)
    if whole:
        return resolve(whole[1])
    return "".join(_as_text(part) for part in _parts(text, resolve))


def _parts(text: str, resolve: Callable[[str], Any]) -> Iterator[Any]:
    """Yield the literal stretches and the resolved references of ``text`` in order."""
    end = 0
    for match in _REFERENCE.finditer(text):
        yield _literal(text[end : match.start()])
        yield resolve(match[1])
        end = match.end()
    yield _literal(text[end:])


def _literal(text: str) -> str:
    if "{{" in text:
        raise PlaybookError(
            f"malformed reference in {text.strip()}", fix="Write it as {{ Name }} or {{ step.Output }}."
        )
    return text


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
