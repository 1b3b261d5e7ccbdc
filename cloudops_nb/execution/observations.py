"""The live state by which a document without metadata is compared: what it checks before its first change.

Drift is a change in one of them between the plan and its run. A property that cannot be read is no reason to refuse
the plan: the document may create the resource first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.errors import DriftError
from cloudops_nb.execution.executor import ApiCall
from cloudops_nb.execution.fingerprint import plain
from cloudops_nb.execution.parameter_values import refers
from cloudops_nb.execution.plan import Observation
from cloudops_nb.ssm.document import CHECKING_ACTIONS
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.selectors import project
from cloudops_nb.ssm.sensitive_answers import selects_sensitive
from cloudops_nb.ssm.values import are_desired, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.program import Block
    from cloudops_nb.execution.rendering import Scope
    from cloudops_nb.ssm.document import DocumentStep


def observe(block: Block, target: str, executor: Executor, scope: Scope) -> tuple[Observation, ...]:
    """Read every property that a target's program checks before its first change, as far as the call is known now."""
    return tuple(_read(path, target, step, executor, scope) for path, step in _checks(block))


def require_no_drift(
    old: Sequence[Observation], programs: Mapping[str, Block], executor: Executor, scope: Scope
) -> None:
    """Read the properties of a plan again; raise :class:`DriftError` with the first that is another now."""
    units = dict.fromkeys(each.target for each in old)
    found = {
        (each.target, each.path): each for unit in units for each in observe(programs[unit], unit, executor, scope)
    }
    for each in old:
        now = found[each.target, each.path]
        if (now.value, now.problem) != (each.value, each.problem):
            raise DriftError(
                f"{each.call} changed since the plan was shown",
                f"{each.selector} was {each.text} and is {now.text}",
                "Ask again for a plan.",
            )


def _checks(block: Block) -> Iterator[tuple[str, DocumentStep]]:
    for node in block.nodes.values():
        step = node.step
        if node.body or (step.api and effect_of(step.service, step.api).effect != "read"):
            return
        if step.action not in CHECKING_ACTIONS or refers(dict(step.inputs)):
            continue
        # A plan is shown and kept, so it must not hold a secret.
        if not selects_sensitive(step.service, step.api, str(step.inputs["PropertySelector"])):
            yield node.path, step


def _read(path: str, target: str, step: DocumentStep, executor: Executor, scope: Scope) -> Observation:
    call = ApiCall(scope.account_id, scope.client_region, step.service, step.api, step.api_parameters)
    result = executor.call(call)
    selector, desired = str(step.inputs["PropertySelector"]), step.inputs["DesiredValues"]
    # In an order of its own, because AWS promises none for the lists it answers with.
    found = plain(project({"value": selector}, result.data)["value"]) if not result.problem else None
    wanted = " or ".join(map(as_text, desired if isinstance(desired, list) else [desired]))
    return Observation(
        path=path,
        call=f"{step.service}:{step.api}",
        selector=selector,
        value=found,
        wanted=wanted,
        holds=not result.problem and are_desired(found, desired),
        # Without AWS's message, which may differ from answer to answer.
        problem=result.code if result.problem else "",
        target=target,
    )
