"""Redacts secret parameter values in everything that a notebook shows or saves.

A plan may need a secret to run, such as a new master password, but showing the plan never needs the secret. A parameter
is recognised as secret by its name, because the value of a secret can look like anything. The patterns below are made
for the parameter names in AWS's service models.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudops_nb.execution.plan import Plan

HIDDEN = "●●●●●●"
_SECRET_NAME = re.compile(
    r"pass(word|phrase|wd)|secret|auth_?token|session_?token|private_?key|api_?key|credential", re.IGNORECASE
)
#: A name with one of these endings may match the pattern above, but its value is an identifier, number or setting.
_HARMLESS_NAME = re.compile(
    r"(id|arn|name|length|version|stage|policy|type|status|enabled|window.*|days)$", re.IGNORECASE
)

_REFERENCE = re.compile(r"\{\{\s*[\w.:]+\s*\}\}")


class Redactor:
    """Replaces a plan's secret values in any text that is made from the plan."""

    def __init__(self, values: Sequence[str] = ()) -> None:
        # The longest first, so that a secret that contains a shorter secret is replaced as a whole.
        spellings = {spelling for value in values if value for spelling in _spellings(value)}
        self._values = sorted(spellings, key=len, reverse=True)

    @classmethod
    def of(cls, plan: Plan) -> Redactor:
        """Return a redactor of the secret values in the parameters of a plan and of the plan's steps."""
        sources = [plan.parameters, *(step.parameters for step in plan.steps)]
        return cls([value for source in sources for value in _secret_values(source, secret=False)])

    def __call__(self, text: str) -> str:
        """Return the text with every secret value replaced by dots."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return text

    def within(self, data: Any) -> Any:
        """Return JSON-ready data in which dots replace every secret value, at any depth.

        A number is replaced if the name of its field is the name of a secret.
        """
        if isinstance(data, str):
            return self(data)
        if isinstance(data, Mapping):
            return {key: self._named_value(str(key), value) for key, value in data.items()}
        if isinstance(data, Sequence) and not isinstance(data, bytes):
            return [self.within(value) for value in data]
        return data

    def _named_value(self, name: str, value: Any) -> Any:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return HIDDEN if number and is_secret_name(name) else self.within(value)


def _spellings(value: str) -> Iterator[str]:
    """Yield the value as it is and in JSON, each also in shell quotes, because a command may contain any of these."""
    for spelled in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        yield spelled
        yield shlex.quote(f" {spelled}")[2:-1]


def is_secret_name(name: str) -> bool:
    """Return whether a parameter with this name holds a secret."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.search(name)


def _secret_values(data: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from _secret_values(value, secret=secret or is_secret_name(str(name)))
    elif isinstance(data, str):
        # A reference to another parameter, such as {{ Name }}, is not a secret. Hiding it would make texts unreadable.
        if secret and not _REFERENCE.fullmatch(data):
            yield data
    elif isinstance(data, Sequence):
        for value in data:
            yield from _secret_values(value, secret=secret)
