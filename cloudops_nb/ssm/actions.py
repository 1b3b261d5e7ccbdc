"""The table of Automation's actions: ``actions.yaml``."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from cloudops_nb.declarations.tables import bundled_table

#: How long a step may take if neither it nor its action says it, in seconds.
DEFAULT_TIMEOUT = 3600

InputType = Literal[
    "String", "StringList", "Boolean", "Integer", "MapList", "StringMap", "Any", "AnyList", "AnyMapOrList"
]


class ActionKind(StrEnum):
    """How an action works, and whether it can run here."""

    API = "api"
    CONTROL = "control"
    COMPOSITE = "composite"
    NESTED = "nested"
    PERSON = "person"
    CODE = "code"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ActionInput(_Row):
    """An input of an action.

    Attributes:
        type: Its type.
        required: Whether it must be given.
        literal: Whether no reference may take its place.
        values: The values that it takes; empty for any.
        low: The lowest number.
        high: The highest number.
    """

    type: InputType
    required: bool = False
    literal: bool = False
    values: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None


class Action(_Row):
    """One action.

    Attributes:
        kind: How it works.
        timeout: Seconds that a step may take if it does not say it.
        inputs: By name; an ``api`` action also takes the parameters of its API. ``None`` if they are not checked.
        one_of: Inputs of which exactly one is given.
        outputs: The type of each predefined output, by name.
    """

    kind: ActionKind
    timeout: int = DEFAULT_TIMEOUT
    inputs: dict[str, ActionInput] | None = None
    one_of: tuple[str, ...] = ()
    outputs: dict[str, str] = Field(default_factory=dict)


@cache
def actions() -> dict[str, Action]:
    """Return every action by name, as ``aws:branch``."""
    return TypeAdapter(dict[str, Action]).validate_python(bundled_table(__package__, "actions.yaml"))


def runnable_actions() -> frozenset[str]:
    """Return the actions that can run here."""
    stopped = {ActionKind.CODE, ActionKind.PERSON}
    return frozenset(name for name, action in actions().items() if action.kind not in stopped)
