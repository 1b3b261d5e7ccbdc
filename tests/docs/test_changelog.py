"""The changelog has one form: versions, newest first; in each, kinds of change; in each, one sentence a change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudops_nb.version import VERSION

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[2]
KINDS = ["Added", "Changed", "Deprecated", "Fixed", "Removed", "Security"]
RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+) \(\d{4}-\d{2}-\d{2}\)")
#: What may hold a full stop inside a sentence.
QUOTED = re.compile(r"`[^`]*`|\[[^\]]*\]\([^)]*\)")
SENTENCE_END = re.compile(r"[.!?] +\S")


def problems(text: str, version: str = VERSION) -> list[str]:
    """Return what is wrong with the text of a changelog, a line each."""
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    names = [section.partition("\n")[0] for section in sections]
    found = [each for section in sections for each in section_problems(section)]
    if names[:1] != ["Unreleased"]:
        found.append("the first section must be '## Unreleased'")
    releases = [RELEASE.fullmatch(name) for name in names[1:]]
    if not all(releases):
        found.append("a release is headed as '## 1.2.3 (2026-01-31)'")
    numbers = [tuple(map(int, release.groups())) for release in releases if release]
    if numbers != sorted(set(numbers), reverse=True):
        found.append("the newest release comes first")
    if numbers and ".".join(map(str, numbers[0])) != version:
        found.append(f"the newest release is not version.py's {version}")
    return found


def section_problems(section: str) -> list[str]:
    """Return what is wrong with a version's kinds of change and their lines."""
    name, *parts = re.split(r"\n### ", section)
    title = name.partition("\n")[0]
    kinds = [part.partition("\n")[0] for part in parts]
    found = [] if not re.search(r"^- ", name, re.MULTILINE) else [f"{title}: a change must be under one of {KINDS}"]
    if kinds != [kind for kind in KINDS if kind in kinds]:
        found.append(f"{title}: the kinds are {KINDS}, each once, in this order; not {kinds}")
    for kind, part in zip(kinds, parts, strict=True):
        entries = re.findall(r"^- (.+(?:\n  \S.*)*)", part, re.MULTILINE)
        found += [] if entries else [f"{title}: {kind} is empty; remove it"]
        found += [f"{title}, {kind}: {why}: {entry[:60]}" for entry in entries for why in entry_problems(entry)]
    return found


def entry_problems(entry: str) -> list[str]:
    """Return what is wrong with one line."""
    plain = QUOTED.sub("X", " ".join(entry.split()))
    checks = {
        "begin with a capital letter or a name": plain[:1].islower(),
        "end with a full stop": not plain.endswith("."),
        "write one sentence": bool(SENTENCE_END.search(plain)),
    }
    return [what for what, wrong in checks.items() if wrong]


def test_the_changelog_has_its_form() -> None:
    found = problems((ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert not found, "CHANGELOG.md: " + "\n".join(found)


GOOD = """# Changelog

## Unreleased

### Added

- `a.b. c` does.

## 1.0.0 (2026-01-31)

### Fixed

- It works.
"""


def test_a_good_changelog_has_no_problem() -> None:
    assert problems(GOOD, "1.0.0") == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("## Unreleased", "## Next", "the first section must be"),
        ("1.0.0 (2026-01-31)", "1.0.0", "a release is headed"),
        ("1.0.0 (2026-01-31)", "0.9.0 (2026-01-31)", "is not version.py's 1.0.0"),
        ("### Added", "### New", "the kinds are"),
        ("### Fixed\n\n- It works.\n", "### Fixed\n", "Fixed is empty"),
        ("### Fixed\n\n", "", "must be under one of"),
        ("It works.", "It works", "end with a full stop"),
        ("It works.", "it works.", "begin with a capital letter"),
        ("It works.", "It works. Really.", "write one sentence"),
        ("### Fixed", "## 1.1.0 (2026-02-01)\n\n### Fixed", "the newest release comes first"),
    ],
)
def test_what_breaks_the_form_is_named(old: str, new: str, problem: str) -> None:
    found = problems(GOOD.replace(old, new), "1.0.0")
    assert any(problem in each for each in found), found
