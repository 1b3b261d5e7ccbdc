"""The linter's rules on references: each must name a value that can exist when its step starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlaybookError, did_you_mean
from cloudops_nb.ssm.actions import actions
from cloudops_nb.ssm.document import LOOP
from cloudops_nb.ssm.document_rules import Broken, authored_steps
from cloudops_nb.ssm.references import PARAMETER_STORE, SYSTEM_VARIABLES, VARIABLE, references
from cloudops_nb.ssm.step_graph import StepGraph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from cloudops_nb.ssm.document import AutomationDocument, DocumentStep

_RULE = "unresolved-reference"
_ITEM = "CurrentIteratorValue"


def reference_findings(document: AutomationDocument) -> Broken:
    """Yield every reference of a runbook that no run can resolve."""
    graph = StepGraph(document)
    authored = dict(authored_steps(document.steps))
    everywhere = {*document.parameters, *SYSTEM_VARIABLES, *(f"{VARIABLE}{name}" for name in document.variables)}
    owners = {output: step.name for step in authored.values() for output in _outputs(step)}
    yield from _unresolved(document.assume_role, {*document.parameters, *SYSTEM_VARIABLES}, {}, "assumeRole")
    for path, step in authored.items():
        earlier = {output for output, owner in owners.items() if owner in graph.before(step.name)}
        inside = {f"{loop}.{_ITEM}" for loop in graph.loops_around(step.name)}
        known = everywhere | {name for name in earlier if not name.endswith(f".{_ITEM}") or name in inside}
        value = [_own_inputs(step), step.timeout_seconds, step.max_attempts]
        yield from _unresolved(value, known, owners, f"step {path}")
        if step.action == "aws:updateVariable":
            name = str(step.inputs.get("Name", ""))
            if name not in everywhere:
                yield _RULE, f"step {path} sets {name}, which the document does not declare"
    names = {step.name for step in authored.values()}
    for output in document.outputs:
        if output not in owners:
            rule = "empty-output" if output.partition(".")[0] in names else _RULE
            yield rule, f"outputs name {output}{_hint(output, owners)}"


def _own_inputs(step: DocumentStep) -> Mapping[str, Any]:
    """Return a step's inputs without the steps inside, which are checked by themselves."""
    return {name: value for name, value in step.inputs.items() if not (step.action == LOOP and name == "Steps")}


def _outputs(step: DocumentStep) -> list[str]:
    predefined = [name for name in actions()[step.action].outputs if name != _ITEM or "Iterators" in step.inputs]
    return [f"{step.name}.{name}" for name in (*(output.name for output in step.outputs), *predefined)]


def _unresolved(value: Any, known: AbstractSet[str], owners: Mapping[str, str], where: str) -> Broken:
    try:
        found = references(value)
    except PlaybookError as error:
        yield _RULE, f"{where}: {str(error).rstrip('.')}"
        return
    for name in sorted(found - known):
        yield _RULE, f"{where} refers to {{{{ {name} }}}}{_reason(name, known, owners)}"


def _reason(name: str, known: AbstractSet[str], owners: Mapping[str, str]) -> str:
    if name.startswith(PARAMETER_STORE):
        return ": only the default of a parameter may refer to Parameter Store"
    if name in owners:
        where = "outside the loop" if name.endswith(f".{_ITEM}") else f"before step {owners[name]} ran"
        return f": it has no value {where}"
    return _hint(name, known)


def _hint(name: str, known: AbstractSet[str] | Mapping[str, str]) -> str:
    near = did_you_mean(name, known)
    return f": {near}" if near else ""
