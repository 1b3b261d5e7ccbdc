"""The linter's rules on the steps of a runbook; each yields the name of a broken rule and what breaks it.

Steps are named by their path: ``stop/stopInstances`` is a call of the composite action of step ``stop``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloudops_nb.ssm.actions import ActionKind, actions
from cloudops_nb.ssm.document import CHECKING_ACTIONS, walk
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.step_graph import StepGraph

if TYPE_CHECKING:
    from cloudops_nb.ssm.document import AutomationDocument, DocumentStep

Broken = Iterator[tuple[str, str]]

ASSERTION = "aws:assertAwsResourceProperty"
WAIT = "aws:waitForAwsResourceProperty"
_TRUTH = {"true": "True", "false": "False"}


def document_findings(document: AutomationDocument) -> Broken:
    """Yield every rule that the runbook's steps break."""
    graph = StepGraph(document)
    authored = {path for path, _ in authored_steps(document.steps)}
    for path, step in walk(document.steps):
        yield from _action(path, step)
        yield from _api(path, step)
        yield from _boolean_spelling(path, step)
        if step.action == WAIT and step.timeout_seconds is None and path in authored:
            yield "missing-timeout", f"step {path} has no timeoutSeconds, so it waits up to an hour"
        if step.is_end and step.next_step:
            yield "ignored-next-step", f"step {path} has isEnd and nextStep {step.next_step}: remove one of them"
    yield from _flow(document, graph)
    yield from _assertion_and_check(document, graph)


def authored_steps(steps: tuple[DocumentStep, ...]) -> Iterator[tuple[str, DocumentStep]]:
    """Yield the steps that the author wrote with their paths, also those inside loops."""
    composite = ""
    for path, step in walk(steps):
        if composite and path.startswith(composite):
            continue
        composite = f"{path}/" if step.composite else ""
        yield path, step


def is_destructive(document: AutomationDocument) -> bool:
    """Return whether a call of the runbook destroys something."""
    calls = (step for _, step in walk(document.steps) if step.api)
    return any(effect_of(step.service, step.api).effect == "destructive" for step in calls)


def _action(path: str, step: DocumentStep) -> Broken:
    kind = actions()[step.action].kind
    if kind is ActionKind.CODE:
        yield "refused-action", f"step {path} uses {step.action}"
    elif kind is ActionKind.PERSON:
        yield "waits-for-person", f"step {path} uses {step.action}"


def _api(path: str, step: DocumentStep) -> Broken:
    if not step.api:
        return
    effect = effect_of(step.service, step.api)
    call = f"{step.service}:{step.api}"
    if effect.refused:
        yield "refused-api", f"step {path} calls {call}"
    elif not effect.reviewed:
        yield "unreviewed-read" if effect.effect == "read" else "unreviewed-api", f"step {path} calls {call}"
    if step.action in CHECKING_ACTIONS and effect.effect != "read":
        yield "changing-check", f"step {path} calls {call}"
    for parameter in effect.refused_among(step.api_parameters, resolved=False):
        yield "refused-api", f"step {path} gives {call} the parameter {parameter}"


def _boolean_spelling(path: str, step: DocumentStep) -> Broken:
    """Find ``true`` among the desired values of a Boolean property, which never equals it."""
    if step.action not in CHECKING_ACTIONS:
        return
    desired, selector = step.inputs.get("DesiredValues"), step.inputs.get("PropertySelector")
    texts = [each for each in desired if isinstance(each, str)] if isinstance(desired, list) else []
    wrong = [text for text in texts if text.lower() in _TRUTH and text not in _TRUTH.values()]
    if not wrong or not isinstance(selector, str):
        return
    # Reads botocore's models, so only for the documents that it may matter to.
    from cloudops_nb.ssm.property_types import property_type

    if property_type(step.service, step.api, selector) == "boolean":
        right = " and ".join(f"'{_TRUTH[text.lower()]}'" for text in wrong)
        yield "boolean-spelling", f"step {path} compares {selector} with '{wrong[0]}': write {right} with a capital"


def _flow(document: AutomationDocument, graph: StepGraph) -> Broken:
    reachable = graph.reachable()
    for path, step in authored_steps(document.steps):
        if step.name not in reachable:
            yield "unreachable-step", f"step {path}"
    for group in graph.repeating():
        yield "repeating-steps", f"{' -> '.join((*group, group[0]))}"


def _assertion_and_check(document: AutomationDocument, graph: StepGraph) -> Broken:
    """A change is preceded by an assertion of the state it starts from, and followed by a look at what came of it."""
    authored = dict(authored_steps(document.steps))
    asserting = {step.name for step in authored.values() if step.action == ASSERTION}
    checking = {step.name for step in authored.values() if step.action in CHECKING_ACTIONS or _checks_itself(step)}
    changing = [(path, step) for path, step in authored.items() if _changes(step)]
    unasserted = next((path for path, step in changing if not asserting & graph.before(step.name)), "")
    if unasserted:
        yield "missing-assertion", f"no {ASSERTION} before step {unasserted}"
    unchecked = [path for path, step in changing if not (_checks_itself(step) or checking & graph.after(step.name))]
    if unchecked:
        yield "missing-check", f"nothing is awaited or asserted after step {unchecked[-1]}"


def _changes(step: DocumentStep) -> bool:
    if step.api:
        return effect_of(step.service, step.api).effect != "read"
    if step.composite:
        return any(map(_changes, step.steps))
    return actions()[step.action].kind in (ActionKind.NESTED, ActionKind.CODE)


def _checks_itself(step: DocumentStep) -> bool:
    """Return whether a composite action ends with a wait for what it changed."""
    return step.composite and step.steps[-1].action in CHECKING_ACTIONS
