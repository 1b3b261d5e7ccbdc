"""The linter's rules on a runbook; each yields the name of a broken rule and what breaks it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.branching import OPERATORS, choices, reachable, targets
from cloudops_nb.ssm.document import CHECKING_ACTIONS
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.expressions import SYSTEM_VARIABLES, references
from cloudops_nb.ssm.selectors import check_selector

if TYPE_CHECKING:
    from cloudops_nb.ssm.document import AutomationDocument, DocumentStep

Broken = Iterator[tuple[str, str]]

_COMBINATIONS = ("And", "Or", "Not")


def document_findings(document: AutomationDocument, *, supported: Collection[str], refused: Collection[str]) -> Broken:
    """Yield every rule that the runbook breaks, given the actions that steps may have and those refused by name."""
    for step in document.steps:
        if step.action in refused:
            yield "refused-action", f"step {step.name} uses {step.action}"
        elif step.action not in supported:
            yield "unsupported-action", f"step {step.name} uses {step.action}"
        yield from _api(step)
        yield from _selectors(step)
        yield from _conditions(step)
        if step.timeout_seconds is None and step.action != "aws:branch":
            yield "missing-timeout", f"step {step.name} has no timeoutSeconds"
    yield from _references(document)
    yield from _flow(document)
    yield from _assertion_and_check(document)


def _api(step: DocumentStep) -> Broken:
    if not step.api:
        return
    effect = effect_of(step.service, step.api)
    call = f"{step.service}:{step.api}"
    if effect.refused:
        yield "refused-api", f"step {step.name} calls {call}"
    elif not effect.reviewed:
        yield "unreviewed-read" if effect.effect == "read" else "unreviewed-api", f"step {step.name} calls {call}"
    if step.action in CHECKING_ACTIONS and effect.effect != "read":
        yield "changing-check", f"step {step.name} calls {call}"
    for parameter in effect.refused_among(step.api_parameters, resolved=False):
        yield "refused-api", f"step {step.name} gives {call} the parameter {parameter}"


def _selectors(step: DocumentStep) -> Broken:
    selectors = [output.selector for output in step.outputs]
    if step.action in CHECKING_ACTIONS:
        selectors.append(str(step.inputs.get("PropertySelector", "")))
    for selector in selectors:
        try:
            check_selector(selector)
        except PlaybookError as error:
            yield "bad-selector", f"step {step.name}: {error}"


def _conditions(step: DocumentStep) -> Broken:
    if step.action != "aws:branch":
        return
    for choice in choices(step.inputs):
        if not choice.next_step or not _is_condition(choice.condition):
            yield "bad-condition", f"step {step.name} has a choice without NextStep, Variable or exactly one operator"


def _is_condition(condition: Any) -> bool:
    if not isinstance(condition, dict):
        return False
    combined = [name for name in _COMBINATIONS if name in condition]
    if combined:
        inner = condition[combined[0]]
        parts = [inner] if combined[0] == "Not" else inner
        return len(condition) == 1 and isinstance(parts, list) and bool(parts) and all(map(_is_condition, parts))
    operators = condition.keys() & OPERATORS.keys()
    return condition.keys() - operators == {"Variable"} and len(operators) == 1


def _references(document: AutomationDocument) -> Broken:
    """Check references in the order of the file: an output exists only after its step."""
    known = {*document.parameters, *SYSTEM_VARIABLES}
    yield from _unresolved(document.assume_role, set(document.parameters), "assumeRole")
    for step in document.steps:
        yield from _unresolved([step.inputs, step.timeout_seconds], known, f"step {step.name}")
        known |= {f"{step.name}.{output.name}" for output in step.outputs}
    for output in document.outputs:
        name = output.strip("{} ")
        if name not in known:
            yield "unresolved-reference", f"outputs name {name}"


def _unresolved(value: Any, known: set[str], where: str) -> Broken:
    try:
        found = references(value)
    except PlaybookError as error:
        yield "unresolved-reference", f"{where}: {error}"
        return
    for name in sorted(found - known):
        yield "unresolved-reference", f"{where} refers to {{{{ {name} }}}}"


def _flow(document: AutomationDocument) -> Broken:
    names = {step.name for step in document.steps}
    for step in document.steps:
        for target in targets(step):
            if target not in names:
                yield "unknown-step", f"step {step.name} leads to {target}"
    for step in document.steps:
        if step.name not in reachable(document):
            yield "unreachable-step", f"step {step.name}"


def _assertion_and_check(document: AutomationDocument) -> Broken:
    """A change is preceded by an assertion of the state it starts from, and followed by a look at what came of it."""
    actions = [step.action for step in document.steps]
    changing = [index for index, step in enumerate(document.steps) if _changes(step)]
    if not changing:
        return
    if "aws:assertAwsResourceProperty" not in actions[: changing[0]]:
        yield "missing-assertion", f"no aws:assertAwsResourceProperty before step {document.steps[changing[0]].name}"
    if not CHECKING_ACTIONS.intersection(actions[changing[-1] + 1 :]):
        yield "missing-check", f"nothing is awaited or asserted after step {document.steps[changing[-1]].name}"


def _changes(step: DocumentStep) -> bool:
    if step.api:
        return effect_of(step.service, step.api).effect != "read"
    return step.action not in {"aws:branch", "aws:sleep"}
