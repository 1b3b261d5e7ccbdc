"""``Answer``, the result of ``CloudOps.ask``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from cloudops_nb.execution.plan import Plan


@dataclass(frozen=True)
class Answer:
    """The answer to one prompt, which is a request that a person wrote in plain words.

    Attributes:
        kind: ``plan``, ``clarification`` (a question back), ``information`` or ``refusal``.
        text: The answer as a sentence for the reader.
        plan: The plan to approve; ``None`` unless the kind is ``plan``.
        candidates: The resources to choose from, one row each; ``None`` unless the kind is ``clarification``.
        frame: The resources found, one row each; ``None`` unless the kind is ``information``.
        bytes_sent: The size of the request to the playbook server; 0 if no request was sent.
        conversation: The id of the conversation that holds the prompt and the answer.
    """

    kind: Literal["plan", "clarification", "information", "refusal"]
    text: str
    plan: Plan | None = None
    candidates: pd.DataFrame | None = field(default=None, repr=False)
    frame: pd.DataFrame | None = field(default=None, repr=False)
    bytes_sent: int = 0
    conversation: str = ""
