"""The kinds of journal records about plans and executions, and which executions have no recorded end.

Apart from the code that writes them, so that opening a store reads the journal without importing the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudops_nb.execution.ports import JournalPort

PLAN, APPROVAL, REJECTION, CONSUMED = "plan", "approval", "rejection", "approval_consumed"
EXECUTION_STARTED, EXECUTION_ENDED = "execution_started", "execution_ended"
STEP_INTENT, STEP_RESULT, TARGET_RESULT = "step_intent", "step_result", "target_result"
KINDS = (
    PLAN,
    APPROVAL,
    REJECTION,
    CONSUMED,
    EXECUTION_STARTED,
    STEP_INTENT,
    STEP_RESULT,
    TARGET_RESULT,
    EXECUTION_ENDED,
)


def unfinished_executions(journal: JournalPort) -> set[str]:
    """Return the ids of the executions whose approval was consumed and whose end is not recorded."""
    records = journal.records(kind=(CONSUMED, EXECUTION_ENDED))
    ended = {record.subject for record in records if record.kind == EXECUTION_ENDED}
    return {record.body["execution_id"] for record in records if record.kind == CONSUMED} - ended
