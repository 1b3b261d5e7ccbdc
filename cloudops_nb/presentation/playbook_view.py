"""A playbook as sections: its parameters, its steps with their effects, the way back, and the linter's findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.presentation.as_text import section_text
from cloudops_nb.presentation.mime_types import sections_bundle
from cloudops_nb.presentation.section import Badge, Section, TableRow, Tone, value_text
from cloudops_nb.ssm.derived_metadata import document_effect
from cloudops_nb.ssm.document import walk
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.finding_places import located_findings
from cloudops_nb.ssm.given_values import role_parameters
from cloudops_nb.ssm.step_words import step_words
from cloudops_nb.ssm.values import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.ssm.document import DocumentStep
    from cloudops_nb.ssm.own_documents import PlaybookFile
    from cloudops_nb.ssm.parameters import Parameter

_EFFECT_TONES = {"read": Tone.GOOD, "modify": Tone.CAUTION, "destructive": Tone.DANGER}
_VERDICT_TONES = {"accepted": Tone.GOOD, "warned": Tone.CAUTION, "refused": Tone.DANGER}


class PlaybookView:
    """Shows a playbook as text or as HTML.

    Args:
        file: The playbook.
        only_lint: Whether to show the linter's findings alone.
    """

    def __init__(self, file: PlaybookFile, *, only_lint: bool = False) -> None:
        self.file = file
        self._sections = [_lint_section(file)] if only_lint else list(playbook_sections(file))

    def __repr__(self) -> str:
        return "\n".join(line.rstrip() for section in self._sections for line in section_text(section))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return sections_bundle(self._sections, label=self.file.name, text=repr(self))


def written_line(file: PlaybookFile) -> str:
    """Return a line that says where a new playbook is, and what to do next."""
    return f"Written: {file.path}. Read its comments, describe its risks, then plan it: prepare {file.name}"


def playbook_sections(file: PlaybookFile) -> Iterator[Section]:
    """Yield the sections of a playbook, in the order in which a reader needs them."""
    playbook, document, metadata = file.playbook, file.playbook.document, file.playbook.metadata
    effect = document_effect(document)
    lines = [line for line in metadata.description.splitlines() if line.strip()]
    yield Section(
        "playbook",
        metadata.name,
        badges=(Badge(effect, _EFFECT_TONES[effect]), Badge(f"{metadata.level} risk")),
        lines=[] if [line.strip(" .") for line in lines] == [metadata.name] else lines,
        facts=(
            ("Id", f"{playbook.ref.id} {playbook.ref.version}"),
            ("From", str(file.path) if file.own else "the bundled playbooks"),
            ("Metadata", "reviewed" if metadata.reviewed else "not reviewed"),
        ),
    )
    role = role_parameters(document)
    rows = [_parameter_row(name, each, unused=name in role) for name, each in document.parameters.items()]
    yield Section("parameters", "Parameters", head=("Name", "Type", "Value", "Description"), rows=rows)
    steps = [_step_row(path, step) for path, step in walk(document.steps)]
    yield Section("steps", "Steps", head=("Step", "Action", "API or rule", "Effect"), rows=steps)
    rollback = metadata.rollback
    yield Section("rollback", "Way back", facts=(("Playbook", rollback.playbook or "none"),), lines=[rollback.note])
    yield _lint_section(file)


def _parameter_row(name: str, parameter: Parameter, *, unused: bool) -> TableRow:
    value = "required" if parameter.required else f"default {value_text(parameter.default)}"
    return TableRow((name, parameter.type, "not used here" if unused else value, parameter.description), muted=unused)


def _step_row(path: str, step: DocumentStep) -> TableRow:
    if not step.api:
        return TableRow((path, step.action, step_words(step), ""))
    effect = effect_of(step.service, step.api)
    reviewed = "" if effect.reviewed else ", not reviewed"
    desired = step.inputs.get("DesiredValues")
    expects = f", {as_text(step.inputs['PropertySelector'])} is {value_text(desired)}" if desired else ""
    return TableRow((path, step.action, f"{step.service}:{step.api}{expects}", f"{effect.effect}{reviewed}"))


def _lint_section(file: PlaybookFile) -> Section:
    report = file.lint
    rows = [
        TableRow((f"line {line}" if line else "", finding.severity, finding.rule, finding.message, finding.why))
        for line, finding in located_findings(file.playbook.runbook_text, report)
    ]
    return Section(
        "lint",
        f"Lint of {file.name}: {report.score} of 100",
        badges=(Badge(file.verdict, _VERDICT_TONES[file.verdict]),),
        lines=[f"No plan can be made of it: {file.refusal}"] if file.refusal else [],
        head=("Line", "Severity", "Rule", "Finding", "Why"),
        rows=rows,
    )
