"""Judges a playbook: findings, and a score of 0-100 that decides whether it is taken in.

The rules, what breaking each costs, and the lists they use are data in ``lint_rules.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.document_rules import document_findings
from cloudops_nb.ssm.metadata_rules import metadata_findings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cloudops_nb.ssm.document import AutomationDocument
    from cloudops_nb.ssm.metadata import PlaybookMetadata

REFUSED_BELOW = 50
WARNED_BELOW = 70


class Severity(StrEnum):
    """How bad a finding is; its price is in ``lint_rules.yaml``."""

    FATAL = "fatal"
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the linter found: the broken rule, what breaks it, and why the rule exists."""

    rule: str
    severity: Severity
    message: str
    why: str

    def __str__(self) -> str:
        return f"{self.severity} {self.rule}: {self.message} ({self.why})"


@dataclass(frozen=True, slots=True)
class LintReport:
    """All findings, and the score."""

    findings: tuple[Finding, ...]
    score: int

    @property
    def verdict(self) -> str:
        """``refused``, ``warned`` or ``accepted``."""
        if self.score < REFUSED_BELOW:
            return "refused"
        return "warned" if self.score < WARNED_BELOW else "accepted"

    def require_acceptable(self, source: str) -> None:
        """Raise :class:`PlaybookError` with every finding when the verdict is ``refused``."""
        if self.verdict == "refused":
            found = "; ".join(map(str, self.findings))
            raise PlaybookError(f"{source} is refused with quality {self.score} of 100", found)


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    severity: str
    why: str


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    penalties: dict[str, int]
    rules: dict[str, _Rule]
    supported_actions: list[str]
    refused_actions: list[str]
    secret_patterns: list[str]


@cache
def _rules() -> _Rules:
    return _Rules.model_validate(bundled_table(__package__, "lint_rules.yaml"))


def lint(
    document: AutomationDocument, metadata: PlaybookMetadata, *, playbooks: Collection[str] | None = None
) -> LintReport:
    """Judge a playbook by both its files.

    Args:
        document: Its runbook.
        metadata: Its metadata.
        playbooks: The ids that a rollback may name; not checked if not given.
    """
    rules = _rules()
    broken = [
        *document_findings(document, supported=rules.supported_actions, refused=rules.refused_actions),
        *metadata_findings(document, metadata, secret_patterns=rules.secret_patterns, playbooks=playbooks),
    ]
    findings = tuple(_finding(rules.rules, rule, message) for rule, message in broken)
    cost = sum(rules.penalties[finding.severity] for finding in findings)
    return LintReport(findings, max(0, 100 - cost))


def _finding(rules: Mapping[str, _Rule], rule: str, message: str) -> Finding:
    return Finding(rule, Severity(rules[rule].severity), message, rules[rule].why)
