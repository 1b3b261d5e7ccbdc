"""``python -m tests.conformance.page``: writes ``docs/automation.md``, the table of the cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.conformance.cases import FOLDER, areas, cases, differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.cases import Area, Case

PAGE = FOLDER.parents[1] / "docs" / "automation.md"
_GUIDE = "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
#: Names of AWS's language within a sentence: references, names with a colon, with two capitals, or with one inside.
_NAME = re.compile(
    r"\{\{.*?\}\}|\[\*\]|List<[\w:]+>|\b[a-zA-Z]+(?:::?[\w/]+)+|\b[a-z]+[A-Z]\w*|\b[A-Z][a-z]+[A-Z]\w*|\b[A-Z]+_[A-Z_]+\b"
)
#: Such words that are no names of the language.
_WORDS = frozenset({"CloudFormation", "JSONPath"})


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield (FOLDER / "introduction.md").read_text("utf-8")
    yield "## Differences\n"
    known = differences()
    yield f"{_count()} of the {len(cases())} rows below are not as documented, for these reasons."
    yield "\n| here | why |\n| --- | --- |"
    yield from (f"| {_code(each.here)} | {_code(each.why)} |" for each in known.values() if not each.silent)
    yield "\nThe guide does not say these.\n\n| here | why |\n| --- | --- |"
    yield from (f"| {_code(each.here)} | {_code(each.why)} |" for each in known.values() if each.silent)
    for area in areas():
        yield from _table(area)


def _count() -> int:
    silent = {name for name, each in differences().items() if each.silent}
    return sum(bool(case.differs) and case.differs not in silent for case in cases())


def _table(area: Area) -> Iterator[str]:
    yield f"\n## {_code(area.title)}\n\n| case | rule | source | here |\n| --- | --- | --- | --- |"
    for case in area.cases:
        yield f"| {case.id} | {_code(case.rule)} | {_source(case)} | {_here(case)} |"


def _source(case: Case) -> str:
    where, _, section = case.source.partition(", ")
    name = where.rpartition("/")[2].removesuffix(".html")
    address = where if where.startswith("https:") else f"{_GUIDE}{where}.html"
    return f"[{name}]({address}), {section}"


def _here(case: Case) -> str:
    if case.xfail:
        return f"not yet: {_code(case.xfail)}"
    if not case.differs:
        return "as documented"
    difference = differences()[case.differs]
    return f"{'not documented' if difference.silent else 'differs'}: {_code(difference.here)}"


def _code(text: str) -> str:
    """Return a sentence with the names of AWS's language in backticks."""
    marked = _NAME.sub(lambda match: match[0] if match[0] in _WORDS else f"`{match[0]}`", text)
    return marked.replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
