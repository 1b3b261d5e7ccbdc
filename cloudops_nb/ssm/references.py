"""``{{ }}`` references, as Systems Manager Automation reads them.

A reference names a document parameter (``InstanceId``), an output of an earlier step (``describe.State``), a variable
(``variable:attempts``), a system variable (``global:REGION``, ``automation:EXECUTION_ID``), or a parameter of Parameter
Store (``ssm:/app/size``). A string that is one whole reference becomes the value itself, type included; inside longer
text a value becomes text. An inserted value is never read again, so that a value cannot smuggle in a reference.

Inside a plan, a name of a nested document also carries the path of the step that runs the document
(``restart/describe.State``, ``restart/variable:attempts``, ``restart/InstanceId``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.values import ABSENT, as_text

#: System variables of Automation (automation-variables, "System variables"); the caller gives their values.
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
PARAMETER_STORE = "ssm:"
#: Names that mean the same in every document of a run.
_OF_THE_RUN = ("global:", "automation:", PARAMETER_STORE)
VARIABLE = "variable:"

_NAME = (
    r"(?:global|automation):[A-Za-z0-9_-]+"
    r"|ssm:[A-Za-z0-9_./-]+(?::[0-9]+)?"
    r"|(?:[A-Za-z0-9_-]+/)*(?:variable:)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)?"
)
_REFERENCE = re.compile(rf"\{{\{{\s*({_NAME})\s*\}}\}}")


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


def whole_reference(value: Any) -> str:
    """Return the name of the reference that ``value`` is, empty if it is anything else."""
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else ""


def substitute(value: Any, context: Mapping[str, Any], *, partial: bool = False, scope: str = "") -> Any:
    """Return ``value`` with every reference replaced; ``value`` and ``context`` stay as they are.

    An absent value is empty inside text. A whole list item or map entry that is absent is left out; a whole value that
    is absent is :data:`~cloudops_nb.ssm.values.ABSENT`.

    Args:
        value: Text, or lists and mappings of it; anything else is returned as it is.
        context: Values by reference name: ``{"InstanceId": …, "describe.State": …, "global:REGION": …}``.
        partial: Leave unknown references in place, for showing a step before its run. Values that hold ``{{`` are then
            refused, because a second substitution would take them for references.
        scope: With ``partial``: the path of the step that runs the nested document, ending in ``/``; it is put before
            unknown names of that document.

    Raises:
        PlaybookError: A reference is malformed or, unless ``partial``, unknown.
    """

    def resolve(name: str) -> Any:
        if name in context:
            found = context[name]
            if partial and "{{" in as_text(found):
                raise PlaybookError(f"the value of {name} holds {{{{", "it would be read as a reference")
            return found
        if partial:
            own = not name.startswith(_OF_THE_RUN)
            return f"{{{{ {scope if own else ''}{name} }}}}"
        known = ", ".join(sorted(context)) or "none"
        raise PlaybookError(f"unknown reference {{{{ {name} }}}}", f"the known ones are {known}")

    return _walk(value, resolve)


def absent_references(value: Any, context: Mapping[str, Any]) -> list[str]:
    """Return the references in ``value`` whose value is absent, sorted."""
    return sorted(name for name in references(value) if context.get(name) is ABSENT)


def _walk(value: Any, resolve: Callable[[str], Any]) -> Any:
    if isinstance(value, str):
        return _resolve_text(value, resolve)
    if isinstance(value, Mapping):
        for key in value:
            if "{{" in str(key):
                raise PlaybookError(f"a reference cannot be part of a key: {key}")
        walked = ((key, _walk(item, resolve)) for key, item in value.items())
        return {key: item for key, item in walked if item is not ABSENT}
    if isinstance(value, list | tuple):
        return list(_items(value, resolve))
    return value


def _items(values: list[Any] | tuple[Any, ...], resolve: Callable[[str], Any]) -> Iterator[Any]:
    """Yield walked items; an item that is one whole reference to a list stands for the items of that list.

    The user guide fills lists so: ``InstanceIds: ["{{ launch.InstanceIds }}"]``.
    """
    for item in values:
        walked = _walk(item, resolve)
        if isinstance(walked, list) and isinstance(item, str):
            yield from walked
        elif walked is not ABSENT:
            yield walked


def _resolve_text(text: str, resolve: Callable[[str], Any]) -> Any:
    whole = _REFERENCE.fullmatch(text)
    if whole:
        return resolve(whole[1])
    return "".join(as_text(part) for part in _parts(text, resolve))


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
