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
from cloudops_nb.ssm.document_rules import document_findings, is_destructive
from cloudops_nb.ssm.metadata_rules import metadata_findings
from cloudops_nb.ssm.reference_rules import reference_findings
from cloudops_nb.ssm.schema import schema_advice

if TYPE_CHECKING:
    from collections.abc import Collection

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
        if self.refused:
            return "refused"
        return "warned" if self.score < WARNED_BELOW else "accepted"

    @property
    def refused(self) -> bool:
        """Whether the playbook cannot run: it has a fatal finding, or too many others."""
        return self.score < REFUSED_BELOW or any(finding.severity is Severity.FATAL for finding in self.findings)

    @property
    def summary(self) -> str:
        """The quality and every finding, the worst first."""
        order = list(Severity)
        found = sorted(self.findings, key=lambda finding: order.index(finding.severity))
        return f"quality {self.score} of 100: {'; '.join(map(str, found))}"

    def require_acceptable(self, source: str) -> None:
        """Raise :class:`PlaybookError` with every finding if the verdict is ``refused``."""
        if self.refused:
            raise PlaybookError(f"{source} is refused", self.summary)


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity
    why: str
    destructive: Severity | None = None


class _Rules(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    penalties: dict[Severity, int]
    rules: dict[str, _Rule]
    secret_patterns: list[str]


@cache
def _rules() -> _Rules:
    return _Rules.model_validate(bundled_table(__package__, "lint_rules.yaml"))


def lint(
    document: AutomationDocument,
    metadata: PlaybookMetadata,
    *,
    playbooks: Collection[str] | None = None,
    advice: bool = False,
) -> LintReport:
    """Judge a playbook by both its files.

    A reviewed playbook with a destructive call is refused unless it asserts the state that it starts from, checks the
    result, and names its rollback or says that there is none.

    Args:
        document: Its runbook.
        metadata: Its metadata.
        playbooks: The ids that a rollback may name; not checked if not given.
        advice: Whether to add what AWS's published schema says, which takes a second at first.
    """
    rules = _rules()
    broken = [
        *document_findings(document),
        *reference_findings(document),
        *metadata_findings(document, metadata, secret_patterns=rules.secret_patterns, playbooks=playbooks),
        *(schema_advice(document) if advice else ()),
    ]
    destructive = metadata.reviewed and is_destructive(document)
    findings = tuple(_finding(rules.rules[rule], rule, message, destructive=destructive) for rule, message in broken)
    cost = sum(rules.penalties[finding.severity] for finding in findings)
    return LintReport(findings, max(0, 100 - cost))


def _finding(rule: _Rule, name: str, message: str, *, destructive: bool) -> Finding:
    severity = rule.destructive if destructive and rule.destructive else rule.severity
    return Finding(name, severity, message, rule.why)
