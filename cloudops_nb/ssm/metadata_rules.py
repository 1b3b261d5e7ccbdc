"""The linter's rules on a playbook's metadata, and on how well it agrees with the runbook.

Rules on how good the texts are apply to reviewed metadata only: nobody wrote the texts of derived ones.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.document import walk
from cloudops_nb.ssm.document_rules import Broken, authored_steps
from cloudops_nb.ssm.effects import effect_of
from cloudops_nb.ssm.references import references

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from cloudops_nb.ssm.document import AutomationDocument
    from cloudops_nb.ssm.metadata import PlaybookMetadata

FEWEST_KEYWORDS, MOST_KEYWORDS = 5, 20
FEWEST_USE_CASES = 2
_STEP_NAME = re.compile(r"[a-z][A-Za-z0-9]*")
_PARAMETER_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")


def metadata_findings(
    document: AutomationDocument,
    metadata: PlaybookMetadata,
    *,
    secret_patterns: Sequence[str],
    playbooks: Collection[str] | None,
) -> Broken:
    """Yield every rule that the metadata break, alone or beside the runbook."""
    if metadata.reviewed:
        yield from _naming(document)
        yield from _completeness(metadata)
        yield from _rollback(metadata, playbooks)
    yield from _parameters(document, metadata)
    yield from _permissions(document, metadata)
    yield from _fingerprint(document, metadata)
    yield from _facts(metadata)
    yield from _secrets([asdict(document), metadata.model_dump()], secret_patterns)


def _naming(document: AutomationDocument) -> Broken:
    for _, step in authored_steps(document.steps):
        if not _STEP_NAME.fullmatch(step.name):
            yield "naming", f"step {step.name} is not in camelCase"
    for name in document.parameters:
        if not _PARAMETER_NAME.fullmatch(name):
            yield "naming", f"parameter {name} is not in PascalCase"
    if not document.description:
        yield "naming", "the runbook has no description"


def _completeness(metadata: PlaybookMetadata) -> Broken:
    keywords = {keyword.casefold() for keyword in metadata.keywords}
    if not FEWEST_KEYWORDS <= len(keywords) <= MOST_KEYWORDS:
        yield "keyword-count", f"{len(keywords)} different keywords"
    if len(set(metadata.use_cases)) < FEWEST_USE_CASES:
        yield "few-use-cases", f"{len(set(metadata.use_cases))} of them"
    if not metadata.prerequisites:
        yield "missing-prerequisites", "none are stated"
    if not metadata.risks:
        yield "missing-risks", "none are stated"
    if not metadata.success_criteria:
        yield "missing-success-criteria", "none are stated"
    if metadata.version not in {change.version for change in metadata.changelog}:
        yield "version-not-in-changelog", metadata.version


def _rollback(metadata: PlaybookMetadata, playbooks: Collection[str] | None) -> Broken:
    rollback, final = metadata.rollback, metadata.impact is not None and not metadata.reversible
    if final and (rollback.playbook or "revers" not in rollback.note.casefold()):
        yield "missing-rollback", "impact says it is not reversible, the rollback's note does not"
    if playbooks is not None and rollback.playbook and rollback.playbook not in playbooks:
        yield "missing-rollback", f"there is no playbook {rollback.playbook}"


def _parameters(document: AutomationDocument, metadata: PlaybookMetadata) -> Broken:
    for name in sorted(document.parameters.keys() ^ metadata.parameters.keys()):
        side = "the runbook" if name in document.parameters else "the metadata"
        # A parameter without a source takes its default, or a person gives its value.
        if metadata.reviewed or name in metadata.parameters:
            yield "parameter-mismatch", f"only {side} has the parameter {name}"
    if metadata.target and metadata.target.parameter not in document.parameters:
        yield "parameter-mismatch", f"the target parameter {metadata.target.parameter} is not in the runbook"
    if metadata.target and metadata.target.resource_type not in metadata.resource_types:
        yield "parameter-mismatch", f"the target's type {metadata.target.resource_type} is not among resource_types"
    for name, source in metadata.parameters.items():
        parameter = document.parameters.get(name)
        if source.source == "static" and parameter is not None and parameter.required:
            yield "parameter-mismatch", f"the static parameter {name} has no default"


def _permissions(document: AutomationDocument, metadata: PlaybookMetadata) -> Broken:
    calls = {(step.service, step.api) for _, step in walk(document.steps) if step.api}
    if metadata.fingerprint:
        calls.add((metadata.fingerprint.service, metadata.fingerprint.api))
    needed = {effect_of(*call).iam_action for call in calls}
    for action in sorted(needed - set(metadata.iam_actions)):
        yield "missing-action-permission", action


def _fingerprint(document: AutomationDocument, metadata: PlaybookMetadata) -> Broken:
    fingerprint = metadata.fingerprint
    if fingerprint is None:
        return
    if not effect_of(fingerprint.service, fingerprint.api).plainly_reads(fingerprint.parameters):
        yield "refused-api", f"the fingerprint calls {fingerprint.service}:{fingerprint.api}, which is no plain read"
    try:
        unknown = references(fingerprint.parameters) - document.parameters.keys()
    except PlaybookError as error:
        yield "unresolved-reference", f"the fingerprint: {error}"
        return
    for name in sorted(unknown):
        yield "unresolved-reference", f"the fingerprint refers to {{{{ {name} }}}}"


def _facts(metadata: PlaybookMetadata) -> Broken:
    """Check that the fingerprint reads what states and prerequisites are compared with."""
    fields = metadata.fingerprint.projection if metadata.fingerprint else {}
    if fields and (metadata.allowed_states or metadata.expected_state) and "state" not in fields:
        yield "missing-state", "the metadata name states, but the fingerprint has no field state"
    for prerequisite in metadata.prerequisites:
        if prerequisite.field and prerequisite.field not in fields:
            yield "unknown-prerequisite", f"the fingerprint has no field {prerequisite.field}"


def _secrets(value: Any, patterns: Sequence[str]) -> Broken:
    """Look for credentials; what was found is not repeated."""
    texts = list(_texts(value))
    for pattern in patterns:
        if any(re.search(pattern, text) for text in texts):
            yield "possible-secret", f"text matches {pattern}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
