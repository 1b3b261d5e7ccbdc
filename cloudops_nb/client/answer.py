"""What ``CloudOps.ask`` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from cloudops_nb.execution.plan import Plan


@dataclass(frozen=True)
class Answer:
    """The answer to one request in words.

    ``plan`` is set for kind ``plan``, ``candidates`` (one row a resource) for a clarification, ``frame`` for
    information.
    ``bytes_sent`` is the size of what left the notebook host for it, 0 when it was answered locally.
    """

    kind: Literal["plan", "clarification", "information", "refusal"]
    text: str
    plan: Plan | None = None
    candidates: pd.DataFrame | None = field(default=None, repr=False)
    frame: pd.DataFrame | None = field(default=None, repr=False)
    bytes_sent: int = 0
    conversation: str = ""
