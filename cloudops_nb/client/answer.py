"""``Answer``, the result of ``CloudOps.ask``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from cloudops_nb.execution.plan import Plan


@dataclass(frozen=True)
class Answer:
    """The answer to one request in words.

    Attributes:
        kind: ``plan``, ``clarification``, ``information`` or ``refusal``.
        text: The answer in words.
        plan: The plan, for kind ``plan``.
        candidates: The resources to choose from, one row each, for a clarification.
        frame: The rows of an information answer.
        bytes_sent: The size of the request that left the notebook host; 0 if this host answered alone.
        conversation: The id of the conversation that holds the request and the answer.
    """

    kind: Literal["plan", "clarification", "information", "refusal"]
    text: str
    plan: Plan | None = None
    candidates: pd.DataFrame | None = field(default=None, repr=False)
    frame: pd.DataFrame | None = field(default=None, repr=False)
    bytes_sent: int = 0
    conversation: str = ""
