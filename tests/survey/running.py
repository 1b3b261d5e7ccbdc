"""Prepares and runs a document through the real engine, on stubs."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.execution.engine import ExecutionEngine
from cloudops_nb.execution.program import DEEPEST
from cloudops_nb.model import Account, BoundPlaybook
from cloudops_nb.ssm.catalogue import Catalogue, Playbook
from cloudops_nb.ssm.document import NESTED, walk
from cloudops_nb.ssm.linter import lint
from cloudops_nb.ssm.own_documents import PlaybookFile
from tests.execution.conftest import FakeJournal
from tests.sample_plans import CARD
from tests.survey.endings import Ending, ended, refusal
from tests.survey.parameters import ACCOUNT, REGION, made_up, store_values
from tests.survey.rewriting import quick
from tests.survey.stubs import StubClients, StubExecutor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from cloudops_nb.ssm.document import AutomationDocument, DocumentStep
    from tests.survey.sources import Source

#: The longest that a run may take, in seconds; then it is cancelled.
_LONGEST_RUN = 60.0
_POLL_SECONDS = 0.02


class Neighbours(Catalogue):
    """The documents of the survey, by the names that other documents use."""

    def __init__(self, playbooks: Mapping[str, Playbook]) -> None:
        super().__init__({playbook.ref.id: playbook for playbook in playbooks.values()}.values())
        self._by_name = playbooks

    def named(self, name: str, *, override: bool = False) -> Playbook:
        """Return the document of a name."""
        return self._by_name[name] if name in self._by_name else super().named(name, override=override)


def file_of(source: Source, text: str) -> PlaybookFile:
    """Return a document as the host reads one without metadata, with the linter's findings."""
    playbook = Playbook.without_metadata(text, source.stem, source.name)
    return PlaybookFile(source.stem, playbook, lint(playbook.document, playbook.metadata), Path(source.name))


def neighbours(sources: Sequence[Source]) -> dict[str, Playbook]:
    """Return the valid documents by name; of two with the same name the first."""
    found: dict[str, Playbook] = {}
    for source in sources:
        try:
            found.setdefault(source.stem, file_of(source, quick(source)).playbook)
        except Exception:  # noqa: BLE001, S112 - the document's own trial says it
            continue
    return found


def run_document(source: Source, text: str, around: Mapping[str, Playbook], stand_ins: Collection[str] = ()) -> Ending:
    """Prepare, approve and run a document.

    Args:
        source: The document, with what its side file says.
        text: The document as it is run.
        around: The documents that it may run, by name.
        stand_ins: The names of the steps that stand in for others.
    """
    file = file_of(source, text)
    playbook, document, given = file.playbook, file.playbook.document, source.given
    steps = dict(_steps(document, around))
    places = frozenset(path for path, step in walk(document.steps) if step.name in stand_ins)
    stub = StubExecutor(given.answers, store_values(document, given.store), steps, places)
    with tempfile.TemporaryDirectory() as locks:
        engine = ExecutionEngine(
            StubClients(),
            FakeJournal(_now),
            Neighbours({**around, source.stem: playbook}),
            locks_path=Path(locks),
            clock=_now,
            executor=stub,
            poll_seconds=_POLL_SECONDS,
        )
        bound = BoundPlaybook(playbook.ref, (), "", made_up(document, given.parameters), "low", region=REGION)
        try:
            file.require_runnable()
            plan = engine.prepare(bound, account=Account("survey", ACCOUNT, environment="development"), override=True)
            engine.approve(plan, channel=CARD, by="survey", reason="survey", phrase=plan.phrase)
            execution = engine.apply(plan)
        except CloudOpsError as error:
            return refusal(error)
        stub.watch(execution)
        execution.wait(_LONGEST_RUN)
        execution.cancel()
        execution.wait()
    return ended(execution, stub.calls)


def _steps(
    document: AutomationDocument, around: Mapping[str, Playbook], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, DocumentStep]]:
    """Yield every step with its path in a plan, those of nested documents included."""
    for path, step in walk(document.steps):
        yield prefix + path, step
        nested = around.get(str(step.inputs["DocumentName"])) if step.action == NESTED else None
        if nested is not None and depth < DEEPEST:
            yield from _steps(nested.document, around, f"{prefix}{path}/", depth + 1)


def _now() -> datetime:
    return datetime.now(UTC)
