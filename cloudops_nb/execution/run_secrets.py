"""Which values of a run may be secrets, so that they stay in memory: journal, events and messages leave them out.

A value counts if the metadata of its document name it, if botocore's model of the answer says so, or if it comes of one
that counts: by a variable, an item of a loop, a parameter or an output of a nested document, or an output of a
composite action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.ssm.references import references, substitute
from cloudops_nb.ssm.sensitive_answers import selects_sensitive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cloudops_nb.execution.actions.step_run import Outcome
    from cloudops_nb.execution.program import Block, Node
    from cloudops_nb.ssm.catalogue import Playbook
    from cloudops_nb.ssm.document import DocumentStep


class RunSecrets:
    """The names of the values of one run that may be secrets.

    Args:
        playbook: The plan's own.
        program: Its program, which names the nested documents.
        model: Returns botocore's model of a service.
    """

    def __init__(self, playbook: Playbook, program: Block, model: Callable[[str], Any]) -> None:
        self._named: dict[str, Collection[str]] = {"": playbook.metadata.sensitive_outputs}
        for node in program.walk():
            if node.nested:
                self._named[f"{node.key}/"] = node.nested.playbook.metadata.sensitive_outputs
        self._model = model
        self._names: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def used_by(self, value: Any) -> bool:
        """Return whether a value has a reference to a secret in it."""
        return not self._names.isdisjoint(references(value))

    def hides(self, step: DocumentStep, values: Mapping[str, Any]) -> bool:
        """Return whether a step looks at a property that may be a secret, or has a secret among its inputs.

        Raises:
            PlaybookError: The selector is not a JSONPath.
        """
        selector = step.inputs.get("PropertySelector")
        if self.used_by(dict(step.inputs)):
            return True
        if not step.api or selector is None:
            return False
        text = str(substitute(selector, values))
        return selects_sensitive(step.service, step.api, text, model=self._model(step.service))

    def begun(self, node: Node) -> None:
        """Note what a step that holds others passes to them: the item of a loop, parameters of a nested document."""
        if self.used_by(node.step.inputs.get("Iterators")):
            self._names.add(f"{node.key}.CurrentIteratorValue")
        for name, value in node.nested.parameters.items() if node.nested else ():
            if self.used_by(value):
                self._names.add(f"{node.key}/{name}")

    def ended(self, node: Node, outcome: Outcome) -> None:
        """Note the outputs of a step, and the variables that it set."""
        step, named = node.step, self._named[node.scope]
        sources = {name: references(value) for name, value in step.predefined.items()}
        if node.nested:
            sources["Output"] = {f"{node.key}/{name}" for name in node.nested.playbook.document.outputs}
        found = {name for name, names in sources.items() if not self._names.isdisjoint(names)}
        found |= {name.removeprefix(f"{step.name}.") for name in named if name.startswith(f"{step.name}.")}
        for output in step.outputs if step.api else ():
            if selects_sensitive(step.service, step.api, output.selector, model=self._model(step.service)):
                found.add(output.name)
        self._names |= {f"{node.key}.{name}" for name in found}
        if self.used_by(step.inputs.get("Value")):
            self._names.update(outcome.values)
