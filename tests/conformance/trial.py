"""Runs a case through the loader, the linter and the engine, and says where it is not as expected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import CloudOpsError, PlaybookError
from cloudops_nb.execution.engine import ExecutionEngine
from cloudops_nb.execution.journal_kinds import EXECUTION_STARTED
from cloudops_nb.execution.step_limits import limit_of
from cloudops_nb.model import Account, BoundPlaybook
from cloudops_nb.ssm.catalogue import Catalogue
from cloudops_nb.ssm.document import walk
from cloudops_nb.ssm.linter import lint
from tests.conformance.documents import answers_of, nested_playbooks, playbook_of
from tests.conformance.scripted_aws import ModelsOnly, ScriptedAws
from tests.execution.conftest import ACCOUNT_ID, FakeJournal
from tests.sample_plans import TERMINAL

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.ssm.catalogue import Playbook
    from tests.conformance.cases import Case

#: What an expected output without a value is written as.
_NOTHING = "absent"


def problems(case: Case, folder: Path) -> list[str]:
    """Return each way in which a case is not as expected; ``folder`` is for the engine's locks."""
    return list(_problems(case, folder))


def _problems(case: Case, folder: Path) -> Iterator[str]:
    expect = case.expect
    try:
        playbook = playbook_of(case)
    except PlaybookError as error:
        yield from _part("the refusal", expect.refused, str(error)) if expect.refused else [f"it is refused: {error}"]
        return
    if expect.refused:
        yield f"it loads, and should be refused with: {expect.refused}"
    if expect.finding:
        found = "\n".join(map(str, lint(playbook.document, playbook.metadata).findings))
        yield from _part("the findings", expect.finding, found)
    steps = dict(walk(playbook.document.steps))
    yield from _same("the limits", expect.limits, {path: limit_of(steps[path], {}) for path in expect.limits})
    if expect.before_the_run and not expect.unprepared:
        return
    run = _Run(case, playbook, folder)
    try:
        plan = run.plan()
    except CloudOpsError as error:
        asked = expect.unprepared
        yield from _part("the reason", asked, str(error)) if asked else [f"no plan can be made: {error}"]
        return
    if expect.unprepared:
        yield f"a plan can be made, and should not because of: {expect.unprepared}"
        return
    yield from _of_the_plan(case, plan)
    yield from _of_the_run(case, run, run.apply(plan))


class _Run:
    """The engine over a scripted AWS."""

    def __init__(self, case: Case, playbook: Playbook, folder: Path) -> None:
        self._case = case
        self._playbook = playbook
        journal = FakeJournal()
        self.aws = ScriptedAws(answers_of(case), lambda: bool(journal.records(kind=EXECUTION_STARTED)))
        self._engine = ExecutionEngine(
            ModelsOnly(case.caller),
            journal,
            Catalogue([playbook, *nested_playbooks(case)]),
            locks_path=folder,
            clock=lambda: datetime.now(UTC),
            executor=self.aws,
            poll_seconds=0.01,
        )
        self.began: list[str] = []
        self.reason = ""

    def plan(self) -> Plan:
        bound = BoundPlaybook(self._playbook.ref, (), "", self._case.parameters, "low", region=self._case.region)
        return self._engine.prepare(bound, account=Account("dev", ACCOUNT_ID), override=self._case.override)

    def apply(self, plan: Plan) -> Execution:
        self._engine.approve(plan, channel=TERMINAL, by="ada", reason="conformance", phrase=plan.phrase)
        execution = self._engine.apply(plan)
        for event in execution:
            if event.kind == "step_started":
                self.began.append(event.step)
                if event.step == self._case.cancel:
                    execution.cancel()
            self.reason = event.message
        return execution


def _of_the_plan(case: Case, plan: Plan) -> Iterator[str]:
    expect = case.expect
    if expect.planned is not None:
        yield from _same("the planned steps", expect.planned, [step.name for step in plan.steps])
    if case.parameter is not None and "value" in expect.model_fields_set:
        yield from _same("the parameter", expect.value, plan.parameters["P"])


def _of_the_run(case: Case, run: _Run, execution: Execution) -> Iterator[str]:
    expect = case.expect
    outputs = execution.outputs.get("", {})
    states = {state.name: state for state in execution.steps}
    messages = {path: state.message for path, state in states.items()}
    if expect.status and execution.status != expect.status:
        yield f"it ended {execution.status}, not {expect.status}: {run.reason or messages}"
    if expect.ran is not None:
        yield from _same("the steps", expect.ran, run.began)
    if expect.calls is not None:
        named = [next(iter(call)) if isinstance(wanted, str) else call for wanted, call in _paired(expect, run)]
        yield from _same("the calls", expect.calls, named)
    for path, status in expect.states.items():
        found = states[path].status.value if path in states else "not among the steps"
        yield from _same(f"the state of {path}", status, found)
    for path, message in expect.messages.items():
        yield from _part(f"the message of {path}", message, messages.get(path, "none"))
    yield from _part("the end", expect.reason, run.reason)
    for name, value in expect.outputs.items():
        yield from _same(f"the output {name}", value, outputs.get(name, _NOTHING))
    if case.output is not None and "value" in expect.model_fields_set:
        yield from _same("the output", expect.value, outputs.get("look.Value", _NOTHING))
    if expect.holds is not None:
        wanted = "holds" if expect.holds else "otherwise"
        yield from _same("the choice", wanted, run.began[-1])


def _paired(expect: Any, run: _Run) -> Iterator[tuple[Any, dict[str, Any]]]:
    wanted = [*expect.calls, *({} for _ in run.aws.calls)]
    yield from zip(wanted, run.aws.calls, strict=False)


def _part(what: str, wanted: str, found: str) -> Iterator[str]:
    fits = re.search(wanted[1:], found) if wanted.startswith("~") else wanted in found
    if not fits:
        yield f"{what} should have {wanted!r}, and is {found!r}"


def _same(what: str, wanted: Any, found: Any) -> Iterator[str]:
    if not _fits(wanted, found):
        yield f"{what} should be {wanted!r}, and is {found!r}"


def _fits(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, str) and wanted.startswith("~"):
        return isinstance(found, str) and bool(re.fullmatch(wanted[1:], found))
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return wanted.keys() == found.keys() and all(_fits(wanted[name], found[name]) for name in wanted)
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_fits, wanted, found))
    return type(wanted) is type(found) and bool(wanted == found)
