"""Where in a document the linter's findings are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.document import LOOP
from cloudops_nb.ssm.loader import read_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from cloudops_nb.declarations.located_yaml import Path
    from cloudops_nb.ssm.linter import Finding, LintReport

_SUBJECT = re.compile(r"\b(step|parameter) ([A-Za-z0-9_/-]+)")


def located_findings(runbook: str, report: LintReport) -> list[tuple[int, Finding]]:
    """Return each finding with the line of the step or the parameter that it names; 0 if it names none."""
    try:
        located = read_document(runbook, "")
    except PlaybookError:
        return [(0, finding) for finding in report.findings]
    lines = {
        subject: located.positions[path][0] for subject, path in _places(located.data) if path in located.positions
    }
    return [(_line(finding.message, lines), finding) for finding in report.findings]


def _line(message: str, lines: Mapping[tuple[str, str], int]) -> int:
    found = _SUBJECT.search(message)
    path = found[2].split("/") if found else []
    # The calls of a composite action are in no document, so the step around them is found.
    ends = range(len(path), 0, -1)
    return next((line for end in ends if found and (line := lines.get((found[1], "/".join(path[:end]))))), 0)


def _places(data: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Path]]:
    for name in data.get("parameters") or {}:
        yield ("parameter", name), ("parameters", name)
    yield from _steps(data["mainSteps"], ("mainSteps",))


def _steps(steps: list[dict[str, Any]], path: Path, around: str = "") -> Iterator[tuple[tuple[str, str], Path]]:
    for index, step in enumerate(steps):
        place: Path = (*path, index)
        name = f"{around}{step['name']}"
        yield ("step", name), place
        if step["action"] == LOOP:
            yield from _steps(step["inputs"]["Steps"], (*place, "inputs", "Steps"), f"{name}/")
