"""Shows plans, answers, executions and reports in a notebook, so that their classes do not depend on notebooks."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.execution.plan import canonical_json
from cloudops_nb.notebook.cards.decision import kernel_user
from cloudops_nb.notebook.run_display import run_bundle
from cloudops_nb.presentation.backup_report import backup_bundle
from cloudops_nb.presentation.mime_types import card_bundle, sections_bundle
from cloudops_nb.presentation.plan_card import card_sections
from cloudops_nb.presentation.scan_report import scan_sections
from cloudops_nb.presentation.secrecy import Redactor
from cloudops_nb.presentation.section import CardStatus, Section, TableRow

if TYPE_CHECKING:
    import pandas as pd

    from cloudops_nb.client.answer import Answer
    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.notebook.session import Session
    from cloudops_nb.scanner.report import ScanReport
    from cloudops_nb.storage.backup.backup_report import BackupReport

Bundle = dict[str, Any]
#: The columns shown in an answer; the answer's DataFrame has more.
_COLUMNS = ("name", "identifier", "resource_type", "account_name", "region", "state")
_ROWS_SHOWN = 20


class MimeBundles:
    """Makes the MIME bundles of plans, answers, executions and reports.

    Each bundle has plain text and HTML. All except the bundle of an execution have Markdown, and the bundles of plans
    and answers also have JSON.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def plan(self, plan: Plan) -> Bundle:
        """Return a plan's card without buttons.

        If the store is open in this notebook and can be read, the card shows the plan's current status.
        """
        sections = card_sections(plan, kernel_user=kernel_user(), now=datetime.now(UTC))
        data = Redactor.of(plan).within(json.loads(canonical_json(asdict(plan))))
        return {**card_bundle(sections, self._plan_status(plan)), "application/vnd.cloudops.plan+json": data}

    def answer(self, answer: Answer) -> Bundle:
        """Return an answer's text, its plan or its resources, and the size of the request that left the host."""
        table = answer.frame if answer.frame is not None else answer.candidates
        section = Section(
            "answer",
            answer.kind,
            lines=(answer.text,),
            facts=(("Left this host", f"{answer.bytes_sent:,} bytes"),),
            **({} if table is None else resource_table(table)),
        )
        bundle = sections_bundle([section], label=f"Answer: {answer.kind}")
        data: Bundle = {"kind": answer.kind, "text": answer.text, "bytes_sent": answer.bytes_sent}
        if answer.plan is not None:
            plan = self.plan(answer.plan)
            if answer.plan.id not in self._session.plan_ids:  # plans in plan_ids already have a card
                bundle = {form: f"{bundle[form]}\n{plan[form]}" for form in bundle}
            data["plan"] = plan["application/vnd.cloudops.plan+json"]
        return {**bundle, "application/vnd.cloudops.answer+json": data}

    def _plan_status(self, plan: Plan) -> CardStatus:
        detail = f"Decide with %cloudops_approve {plan.id}"
        if not self._session.opened:
            return CardStatus("plan", detail=detail)
        try:
            return CardStatus(self._session.cloudops.plan_status(plan))
        except CloudOpsError:
            return CardStatus("plan", detail=detail)

    def execution(self, execution: Execution) -> Bundle:
        """Return an execution's status and steps."""
        return run_bundle(execution)

    def scan_report(self, report: ScanReport) -> Bundle:
        """Return the number of resources by type, and the account, region and type of each incomplete read."""
        return sections_bundle(scan_sections(report), label="Scan report", text=str(report))

    def backup_report(self, report: BackupReport) -> Bundle:
        """Return a table of the snapshots that were taken, listed or restored, and every problem."""
        return backup_bundle(report)


def resource_table(resources: pd.DataFrame) -> dict[str, Any]:
    """Return ``head`` and ``rows`` of a section with the first 20 resources, and the number of further resources."""
    columns = [name for name in _COLUMNS if name in resources.columns]
    shown = resources[columns].head(_ROWS_SHOWN)
    rows = [TableRow([str(value) for value in row]) for row in shown.itertuples(index=False)]
    left_out = len(resources) - len(rows)
    if left_out:
        rows.append(TableRow([f"… and {left_out:,} more", *[""] * (len(columns) - 1)], muted=True))
    return {"head": [name.replace("_", " ").capitalize() for name in columns], "rows": rows}
