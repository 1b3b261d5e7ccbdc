"""Tries one document: how far it comes, and why not further."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudops_nb.errors import CloudOpsError
from cloudops_nb.ssm.actions import ActionKind, actions
from cloudops_nb.ssm.document import NESTED, walk
from cloudops_nb.ssm.loader import load_document
from tests.survey.endings import CRASHED, Ending, crash, refusal
from tests.survey.rewriting import quick, without
from tests.survey.running import file_of, run_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloudops_nb.ssm.catalogue import Playbook
    from cloudops_nb.ssm.document import AutomationDocument
    from tests.survey.sources import Source

#: The longest that a document may take to load, in seconds.
LONGEST_LOAD = 2.0
_STOPPED = frozenset({ActionKind.CODE, ActionKind.PERSON})


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a document.

    Attributes:
        name: Its file name.
        seconds: How long it took to load.
        loaded: Whether it is valid.
        ending: How it ended.
        rest: How it ended without the steps that cannot run here, ``None`` if it has none.
        lint: What the linter says.
        faults: What should not have happened.
    """

    name: str
    seconds: float
    loaded: bool
    ending: Ending
    rest: Ending | None = None
    lint: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def try_document(source: Source, around: Mapping[str, Playbook]) -> Trial:
    """Load, lint, prepare and run one document; every error becomes part of the result.

    Args:
        source: The document.
        around: The documents that it may run, by name.
    """
    started = time.monotonic()
    try:
        document, problem = load_document(source.text, source.name), None
    except CloudOpsError as error:
        document, problem = None, refusal(error, "grammar")
    except Exception as error:  # noqa: BLE001 - what the survey looks for
        document, problem = None, crash(error)
    trial = Trial(source.name, time.monotonic() - started, document is not None, problem or Ending(CRASHED))
    if document is not None:
        trial = _tried(trial, source, document, around)
    return replace(trial, faults=tuple(_faults(trial, source)))


def _tried(trial: Trial, source: Source, document: AutomationDocument, around: Mapping[str, Playbook]) -> Trial:
    try:
        trial = replace(trial, ending=run_document(source, quick(source), around), lint=_findings(source))
        if stopped := _stopped(document, around):
            trial = replace(trial, rest=run_document(source, without(source, stopped), around, stopped))
    except Exception as error:  # noqa: BLE001 - what the survey looks for
        return replace(trial, ending=crash(error))
    return trial


def _stopped(document: AutomationDocument, around: Mapping[str, Playbook]) -> frozenset[str]:
    """Return the names of the steps that cannot run here."""
    return frozenset(
        step.name
        for _, step in walk(document.steps)
        if actions()[step.action].kind in _STOPPED
        or (step.action == NESTED and step.inputs["DocumentName"] not in around)
    )


def _findings(source: Source) -> tuple[str, ...]:
    report = file_of(source, source.text).lint
    return (str(report.score), *(f"{each.severity} {each.rule}: {each.message}" for each in report.findings))


def _faults(trial: Trial, source: Source) -> Iterator[str]:
    """Yield what should not have happened: a crash, a slow loader, another ending than the side file says."""
    expected, found = source.given.expect, trial.ending
    for ending in filter(None, (found, trial.rest)):
        if ending.is_bug:
            yield f"a bug: {ending.kind} {ending.reason}"
    if trial.seconds > LONGEST_LOAD:
        yield f"it took {trial.seconds:.1f} s to load"
    if expected.get("ending") not in (None, str(found)):
        yield f"the expected ending was {expected['ending']}"
    if "steps" in expected and tuple(expected["steps"]) != found.steps:
        yield f"the expected steps were {' -> '.join(expected['steps'])}"
    if "reason" in expected and not re.search(str(expected["reason"]), found.reason):
        yield f"the expected reason was {expected['reason']}"
