"""How plans, answers, executions and scan reports look in a notebook; their own modules know nothing of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.execution.plan import canonical_json
from cloudops_nb.notebook.cards.approver import kernel_user
from cloudops_nb.notebook.cards.card import bundle_of
from cloudops_nb.notebook.output import HTML, MARKDOWN, PLAIN
from cloudops_nb.notebook.run_display import run_bundle
from cloudops_nb.presentation.as_html import frame, section_html
from cloudops_nb.presentation.as_text import section_markdown, section_text
from cloudops_nb.presentation.plan_card import card_sections
from cloudops_nb.presentation.scan_report import scan_sections
from cloudops_nb.presentation.secrecy import Secrecy
from cloudops_nb.presentation.section import Badge, Outcome, Row, Section, Tone, value_words
from cloudops_nb.presentation.status import size

if TYPE_CHECKING:
    import pandas as pd

    from cloudops_nb.client.answer import Answer
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.notebook.operations import Execution
    from cloudops_nb.notebook.session import Session
    from cloudops_nb.scanner.report import ScanReport
    from cloudops_nb.storage.backup.backup_report import BackupReport

Bundle = dict[str, Any]
#: What a person needs to tell resources apart; the DataFrame itself has every column.
_COLUMNS = ("name", "identifier", "resource_type", "account_name", "region", "state")
_ROWS_SHOWN = 20
#: Of a snapshot, what its name says already.
_NOT_SHOWN = ("created",)
_HEADS = {"bytes": "Size", "points": "Rows", "local": "This disk", "s3": "S3", "place": "From"}


class Reprs:
    """Makes the MIME bundle of each domain object: text/plain complete enough to decide on, Markdown, HTML and JSON."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def plan(self, plan: Plan) -> Bundle:
        """Return a plan as its card without buttons, with where it stands now if this notebook's store knows it."""
        sections = card_sections(plan, kernel_user=kernel_user(), now=datetime.now(UTC))
        data = Secrecy.of(plan).within(json.loads(canonical_json(asdict(plan))))
        return {**bundle_of(sections, self._outcome(plan)), "application/vnd.cloudops.plan+json": data}

    def answer(self, answer: Answer) -> Bundle:
        """Return an answer: its words, what left the host for it, and its plan or its resources."""
        table = answer.frame if answer.frame is not None else answer.candidates
        section = Section(
            "answer",
            answer.kind,
            lines=(answer.text,),
            facts=(("Left this host", f"{answer.bytes_sent:,} bytes"),),
            **({} if table is None else resource_table(table)),
        )
        bundle = _bundle(section, label=f"Answer: {answer.kind}")
        data: Bundle = {"kind": answer.kind, "text": answer.text, "bytes_sent": answer.bytes_sent}
        if answer.plan is not None:
            plan = self.plan(answer.plan)
            if answer.plan.id not in self._session.plan_ids:  # else its card is on the screen already
                bundle = {form: f"{bundle[form]}\n{plan[form]}" for form in bundle}
            data["plan"] = plan["application/vnd.cloudops.plan+json"]
        return {**bundle, "application/vnd.cloudops.answer+json": data}

    def _outcome(self, plan: Plan) -> Outcome:
        detail = f"Decide with %cloudops_approve {plan.id}"
        if not self._session.opened:
            return Outcome("plan", detail=detail)
        try:
            return Outcome(self._session.operations.plan_status(plan))
        except CloudOpsError:
            return Outcome("plan", detail=detail)

    def execution(self, execution: Execution) -> Bundle:
        """Return how an execution stands."""
        return run_bundle(execution)

    def scan_report(self, report: ScanReport) -> Bundle:
        """Return what a scan found by type, and the cells it could not read to their end."""
        sections = list(scan_sections(report))
        return {
            PLAIN: str(report),
            MARKDOWN: "\n".join(line for one in sections for line in section_markdown(one)),
            HTML: frame("".join(section_html(one) for one in sections), label="Scan report"),
        }

    def backup_report(self, report: BackupReport) -> Bundle:
        """Return what was backed up or restored, kind by kind, and every problem."""
        table = report.table()
        columns = [
            name for name in (table[0] if table else ()) if name not in _NOT_SHOWN and any(r[name] for r in table)
        ]
        rows = [Row([_cell(name, row[name]) for name in columns]) for row in table[:_ROWS_SHOWN]]
        problems = [Row([problem], badges=(Badge("problem", Tone.CAUTION),)) for problem in report.problems]
        section = Section(
            "backup",
            "Backup",
            lines=() if table else ("There is no snapshot.",),
            head=[_HEADS.get(name, name.capitalize()) for name in columns],
            rows=rows,
        )
        faults = Section("problems", "Not done", rows=problems)
        sections = (section, faults) if problems else (section,)
        return {
            PLAIN: str(report) or "There is no snapshot.",
            MARKDOWN: "\n".join(line for one in sections for line in section_markdown(one)),
            HTML: frame("".join(section_html(one) for one in sections), label="Backup"),
        }


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    match name:
        case "bytes":
            return size(value)
        case "kind":
            return str(value).replace("_", " ")
        case _:
            return value_words(value) if isinstance(value, bool) else str(value)


def resource_table(frame_: pd.DataFrame) -> dict[str, Any]:
    """Return the head and rows of a section that lists a DataFrame's resources."""
    columns = [name for name in _COLUMNS if name in frame_.columns]
    rows = [Row([str(value) for value in row]) for row in frame_[columns].head(_ROWS_SHOWN).itertuples(index=False)]
    left_out = len(frame_) - len(rows)
    if left_out:
        rows.append(Row([f"… and {left_out:,} more", *[""] * (len(columns) - 1)], muted=True))
    return {"head": [name.replace("_", " ").capitalize() for name in columns], "rows": rows}


def _bundle(section: Section, *, label: str) -> Bundle:
    return {
        PLAIN: "\n".join(section_text(section)),
        MARKDOWN: "\n".join(section_markdown(section)),
        HTML: frame(section_html(section), label=label),
    }
