"""The steps of a playbook with everything filled in that is known before the run.

A program is a tree: a loop holds the steps of its body, a composite action its calls, and ``aws:executeAutomation`` the
steps of the nested document. Every reference that is left names a value of the run: an output, a variable, the current
item of a loop, or a parameter of a nested document that depends on one of these.
"""

from __future__ import annotations

import uuid
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from cloudops_nb.errors import PlanError, PlaybookError
from cloudops_nb.execution.parameter_values import parameter_values, refers
from cloudops_nb.execution.plan import NestedDocument
from cloudops_nb.ssm.actions import ActionKind, actions
from cloudops_nb.ssm.composite_actions import specialise
from cloudops_nb.ssm.control_flow import ControlFlow
from cloudops_nb.ssm.document import LOOP, NESTED, AutomationDocument, DocumentStep, walk
from cloudops_nb.ssm.references import substitute
from cloudops_nb.ssm.values import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from cloudops_nb.ssm.catalogue import Playbook

#: How deep documents may be nested below the one that a plan runs.
DEEPEST = 3
#: The most steps of a program: each is shown to a person, and documents that run documents multiply quickly.
MOST_NODES = 1000
#: Inputs of ``aws:executeAutomation`` that spread a document over several runs.
_SPREADING = ("Targets", "TargetParameterName", "TargetMaps", "TargetLocations")


class Documents(Protocol):
    """Finds the documents that other documents run."""

    def named(self, name: str) -> Playbook:
        """Return the playbook of a document name; raises :class:`PlaybookError` if this host has none."""


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a program.

    Attributes:
        path: ``parent/step``.
        key: The name by which references name the step's outputs: without the loops around it.
        scope: The path of the nested document that the step belongs to, ending in ``/``; empty for the plan's own.
        step: The step; the references in it are those of the run.
        body: What a loop, a composite action or a nested document runs.
        nested: The nested document.
    """

    path: str
    key: str
    scope: str
    step: DocumentStep
    body: Block | None = None
    nested: Nested | None = None


@dataclass(frozen=True, slots=True)
class Nested:
    """A document that a step runs, and its parameters: known values, and references that the run fills in."""

    playbook: Playbook
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """A sequence of steps with the ways between them.

    The block of a whole document also has the values of the run that exist at its begin, and the types of its
    variables, both by the names that references use.
    """

    flow: ControlFlow
    nodes: Mapping[str, Node]
    initial: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def walk(self) -> Iterator[Node]:
        """Yield every node, a container before the nodes inside."""
        for node in self.nodes.values():
            yield node
            if node.body:
                yield from node.body.walk()


@dataclass(frozen=True, slots=True)
class Build:
    """What is known while a program is built.

    Attributes:
        documents: Finds nested documents.
        automation_id: What ``automation:EXECUTION_ID`` stands for.
        system: Automation's system variables, without the id of the run.
        store: Parameters of Parameter Store by reference, as ``ssm:/app/size``; it may read them on demand.
    """

    documents: Documents
    automation_id: str
    system: Mapping[str, str]
    store: Mapping[str, Any]


def build_program(document: AutomationDocument, parameters: Mapping[str, Any], build: Build) -> Block:
    """Return the program of a document.

    Args:
        document: The document.
        parameters: The value of every parameter.
        build: The documents that it may run, and the values that are not its own.

    Raises:
        PlanError: A nested document is unknown, nested too deep, or spread over several runs.
        PlaybookError: A parameter of a nested document does not fit.
    """
    return _Builder(build).document(document, parameters, scope="", path="", chain=())


def output_names(step: DocumentStep) -> tuple[str, ...]:
    """Return the names of the outputs of a step, those of its action included."""
    return (*(output.name for output in step.outputs), *actions()[step.action].outputs)


class _Builder:
    def __init__(self, build: Build) -> None:
        self._build = build
        self._nodes = 0

    def document(
        self,
        document: AutomationDocument,
        parameters: Mapping[str, Any],
        *,
        scope: str,
        path: str,
        chain: tuple[str, ...],
    ) -> Block:
        """Return the program of one document; ``chain`` names the documents around it."""
        # Before anything is looked up for the document, because these steps never run here.
        for inner, step in walk(document.steps):
            _refuse_action(f"{path}{inner}", step)
        known = {**self._build.system, "automation:EXECUTION_ID": automation_id_of(self._build.automation_id, scope)}
        # A parameter that depends on the run is left as a reference to itself.
        known |= {name: value for name, value in parameters.items() if not refers(value)}
        block = self._block(specialise(document, known).steps, known, scope=scope, path=path, key="", chain=chain)
        initial: dict[str, Any] = {}
        for name, variable in document.variables.items():
            initial[f"{scope}variable:{name}"] = ABSENT if variable.default is None else variable.default
        for node in block.walk():
            if node.scope == scope:
                initial |= {f"{node.key}.{name}": ABSENT for name in output_names(node.step)}
        types = {f"{scope}variable:{name}": variable.type for name, variable in document.variables.items()}
        return replace(block, initial=initial, variables=types)

    def _block(
        self,
        steps: tuple[DocumentStep, ...],
        known: Mapping[str, Any],
        *,
        scope: str,
        path: str,
        key: str,
        chain: tuple[str, ...],
    ) -> Block:
        nodes = {}
        for step in steps:
            self._nodes += 1
            if self._nodes > MOST_NODES:
                raise PlanError("the document cannot run", f"it has more than {MOST_NODES} steps, nested ones included")
            own = f"{path}{step.name}"
            name = f"{scope}{key}{step.name}"
            filled = _filled(step, known, scope)
            body, nested = None, None
            if step.action == NESTED:
                nested = self._nested(filled, scope=name + "/", chain=chain)
                body = self.document(
                    nested.playbook.document,
                    nested.parameters,
                    scope=f"{name}/",
                    path=f"{own}/",
                    chain=(*chain, nested.playbook.ref.id),
                )
            elif step.steps:
                inner = key if step.action == LOOP else f"{key}{step.name}/"
                calls = step.steps if step.action == LOOP else _limited(step.steps, step)
                body = self._block(calls, known, scope=scope, path=f"{own}/", key=inner, chain=chain)
            nodes[step.name] = Node(own, name, scope, filled, body, nested)
        # Ways out of a loop's body count, so the flow knows the steps inside.
        flow = ControlFlow([replace(nodes[step.name].step, steps=step.steps) for step in steps])
        return Block(flow, nodes)

    def _nested(self, step: DocumentStep, *, scope: str, chain: tuple[str, ...]) -> Nested:
        name = str(step.inputs["DocumentName"])
        if "{{" in name:
            raise PlanError(f"step {step.name} cannot run", "the name of its document is known only during the run")
        if spread := [each for each in _SPREADING if step.inputs.get(each)]:
            why = f"{', '.join(spread)} start the document several times, which no plan can show"
            raise PlanError(f"step {step.name} cannot run", why, "Prepare a plan of the document for each target.")
        try:
            playbook = self._build.documents.named(name)
        except PlaybookError as error:
            why = f"it runs the document {name}, which this host does not have"
            fix = "Put the document into the folder playbooks of the data path."
            raise PlanError(f"step {step.name} cannot run", why, error.fix or fix) from None
        if playbook.ref.id in chain:
            raise PlanError(f"step {step.name} cannot run", f"documents run each other: {' -> '.join((*chain, name))}")
        if len(chain) >= DEEPEST:
            raise PlanError(f"step {step.name} cannot run", f"documents are nested deeper than {DEEPEST} levels")
        given = step.inputs.get("RuntimeParameters") or {}
        if not isinstance(given, Mapping):
            raise PlanError(f"step {step.name} cannot run", "RuntimeParameters is known only during the run")
        given = dict(given)
        own = {**self._build.system, "automation:EXECUTION_ID": automation_id_of(self._build.automation_id, scope)}
        known = ChainMap(own, cast("MutableMapping[str, Any]", self._build.store))
        assume = playbook.document.assume_role.strip("{} ")
        if assume in playbook.document.parameters:
            given.setdefault(assume, "")
        return Nested(playbook, parameter_values(playbook.document, given, known, f"document {name}", of_the_run=True))


def _limited(calls: tuple[DocumentStep, ...], step: DocumentStep) -> tuple[DocumentStep, ...]:
    """Return the calls of a composite action with its attempts, of which only repeatable calls use more, and limit."""
    return tuple(
        replace(
            each,
            max_attempts=step.max_attempts,
            # A loop of calls has no limit of its own: the action's counts.
            timeout_seconds=each.timeout_seconds if each.action == LOOP else step.timeout_seconds,
            steps=_limited(each.steps, step),
        )
        for each in calls
    )


def _refuse_action(path: str, step: DocumentStep) -> None:
    kind = actions()[step.action].kind
    if kind is ActionKind.CODE:
        why = f"{step.action} runs code, or starts something that does, which no plan may do"
        raise PlanError(f"step {path} cannot run", why)
    if kind is ActionKind.PERSON:
        why = f"{step.action} waits for a person's signal, which is not supported yet"
        raise PlanError(f"step {path} cannot run", why, "Approve the plan itself, and remove the step.")


def _filled(step: DocumentStep, known: Mapping[str, Any], scope: str) -> DocumentStep:
    """Return a step whose own references are filled in as far as they are known, without the steps inside."""

    def fill(value: Any) -> Any:
        return substitute(value, known, partial=True, scope=scope)

    inputs = {name: value for name, value in step.inputs.items() if name != "Steps"}
    return replace(
        step,
        inputs=fill(inputs),
        timeout_seconds=_number(fill(step.timeout_seconds)),
        max_attempts=_number(fill(step.max_attempts)),
        predefined=fill(dict(step.predefined)),
        steps=(),
    )


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def automation_id_of(automation_id: str, scope: str) -> str:
    """Return the id of the run of a nested document: Automation gives each its own."""
    return automation_id if not scope else str(uuid.uuid5(uuid.UUID(automation_id), scope))


def variable_types(block: Block) -> Mapping[str, str]:
    """Return the type of every variable of a program, nested documents included."""
    types = dict(block.variables)
    for node in block.walk():
        if node.nested and node.body:
            types |= node.body.variables
    return types


def nested_documents(block: Block, automation_id: str) -> list[NestedDocument]:
    """Return every nested document of a program, with the id of its run."""
    return [
        NestedDocument(node.path, node.nested.playbook.ref, automation_id_of(automation_id, f"{node.key}/"))
        for node in block.walk()
        if node.nested
    ]
