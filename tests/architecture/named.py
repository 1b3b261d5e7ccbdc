"""The names in a passage of prose that name nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudops_nb.model import CellState
from tests.architecture.passages import FENCE, Kind
from tests.architecture.sources import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from tests.architecture.passages import Passage
    from tests.architecture.repository import Repository

    #: The offset and the text of each name that a check did not find.
    Missing = Iterator[tuple[int, str]]

# Roles are a check of their own, hence the second and third look behind.
FULL_NAME = re.compile(rf"(?<![\w/.-])(?<!:`)(?<!:`~){PACKAGE}(?:\.[A-Za-z_]\w*)+")
ROLE = re.compile(r":(?:py:)?(?:class|meth|func|mod|attr|data|exc|obj):`~?([^`]+)`")
MAGIC = re.compile(r"%%?(cloudops_\w+)")
METHOD = re.compile(r"(?<![\w.])(?<!:`)(?:CloudOps|ops)\.([a-z_]\w*)")
VARIABLE = re.compile(r"\bCLOUDOPS_[A-Z_]*[A-Z]\b")
EXTRAS = re.compile(r"(?:cloudops[-_]nb|'\.)\[([\w,-]+)\]")
DECISION = re.compile(r"\bADR (\d+)\b")
FILE = re.compile(r"(?<![\w/~:*>}\])-])(?:[\w.*-]+/)*[\w*-]+\.(?:py|yaml|md|ipynb|css)\b(?![\w*/])")
TARGET = re.compile(r"(?<![\w-])make\s(?:[A-Z]+=(?:'[^']*'|\S+)\s)*([a-z][a-z-]*)")
# "A newer version of cloudops-nb wrote it" names no command.
COMMAND = re.compile(r"(?<![\w/-])(?<!of )cloudops-nb((?:\s+[\w:=-]+)+)")
MEMBER = re.compile(r"(?<![\w./%-])([a-z_]+)\.([a-z_]\w*)(?![\w./])")
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:)[^)\s]+(?=\))")
ROW = re.compile(r"^\| ([^|]+?) \|.*$", re.MULTILINE)
#: The page whose backticks name parts, modules and classes; the states of cells that it mentions are apart.
MAP = "architecture.md"
STATES = set(CellState)
#: What the first column of a table holds, by its heading.
TABLES: dict[str, Callable[[Repository], AbstractSet[str]]] = {
    "setting": lambda repository: repository.settings,
    "part": lambda repository: repository.parts,
}


def missing_names(passage: Passage, repository: Repository) -> list[tuple[int, str]]:
    """Return the line and the text of each name that is not in the repository, in order."""
    found = {miss for check in CHECKS[passage.kind] for miss in check(passage, repository)}
    return [(passage.line_at(offset), name) for offset, name in sorted(found)]


def _full_names(passage: Passage, repository: Repository) -> Missing:
    return _absent(FULL_NAME, passage, lambda found: found[0] in repository.definitions)


def _magics(passage: Passage, repository: Repository) -> Missing:
    return _absent(MAGIC, passage, lambda found: found[1] in repository.magics)


def _variables(passage: Passage, repository: Repository) -> Missing:
    return _absent(VARIABLE, passage, lambda found: found[0] in repository.variables)


def _decisions(passage: Passage, repository: Repository) -> Missing:
    return _absent(DECISION, passage, lambda found: int(found[1]) in repository.decisions)


def _files(passage: Passage, repository: Repository) -> Missing:
    return _absent(FILE, passage, lambda found: repository.has_path(found[0]))


def _extras(passage: Passage, repository: Repository) -> Missing:
    return _absent(EXTRAS, passage, lambda found: repository.extras.issuperset(found[1].split(",")))


def _roles(passage: Passage, repository: Repository) -> Missing:
    visible = repository.definitions.visible
    return _absent(ROLE, passage, lambda found: visible(found[1], passage.module, passage.classes))


def _methods(passage: Passage, repository: Repository) -> Missing:
    def exists(found: re.Match[str]) -> bool:
        if passage.text.endswith("%config ", 0, found.start()):
            return found[1] in repository.settings
        return f"{PACKAGE}.CloudOps.{found[1]}" in repository.definitions

    return _absent(METHOD, passage, exists)


def _members(passage: Passage, repository: Repository) -> Missing:
    """What a document calls ``part.name`` is anywhere in that part; an example in a language has its own names."""
    for offset, span in () if passage.language else passage.spans:
        for found in MEMBER.finditer(span):
            if found[1] in repository.parts and not repository.definitions.in_part(found[1], found[2]):
                yield offset + found.start(), found[0]


def _targets(passage: Passage, repository: Repository) -> Missing:
    for offset, span in passage.spans:
        for found in TARGET.finditer(span):
            if found[1] not in repository.targets:
                yield offset + found.start(), f"make {found[1]}"


def _commands(passage: Passage, repository: Repository) -> Missing:
    for offset, span in passage.spans:
        for found in COMMAND.finditer(span):
            if unknown := repository.unknown_word(found[1].split()):
                yield offset + found.start(), f"cloudops-nb … {unknown}"


def _folders(passage: Passage, repository: Repository) -> Missing:
    """A path in backticks is one of the repository's if its first folder is."""
    for offset, span in passage.spans:
        for found in re.finditer(r"[\w./*-]+", span):
            first, slash, _ = found[0].partition("/")
            if slash and first in repository.paths and not repository.has_path(found[0]):
                yield offset + found.start(), found[0]


def _tables(passage: Passage, repository: Repository) -> Missing:
    heading = ""
    for row in ROW.finditer(passage.text):
        if passage.text.startswith("\n| ---", row.end()):
            heading = row[1] if row[1] in TABLES else ""
        for name in re.findall(r"`([^`]+)`", row[1]) if heading else ():
            if name not in TABLES[heading](repository):
                yield row.start(), f"{heading} {name}"


def _modules(passage: Passage, repository: Repository) -> Missing:
    """What the page of the parts names by one word is a part, a module or a class."""
    known = repository.parts | repository.definitions.short_names | STATES
    for offset, span in passage.spans if passage.path.name == MAP else ():
        if span.isidentifier() and span not in known:
            yield offset, span


def _links(passage: Passage, _: Repository) -> Missing:
    def exists(found: re.Match[str]) -> bool:
        place, _, anchor = found[0].partition("#")
        target = passage.path.parent / place if place else passage.path
        return target.exists() and (not anchor or anchor in _anchors(target.read_text("utf-8")))

    return _absent(LINK, passage, exists)


def _anchors(text: str) -> list[str]:
    """Return what GitHub names the headings of a document; a repeated heading gets a number."""
    anchors: list[str] = []
    for heading in re.findall(r"^#+ (.+?)\s*$", FENCE.sub("", text), re.MULTILINE):
        anchor = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        repeats = sum(re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", earlier) is not None for earlier in anchors)
        anchors.append(f"{anchor}-{repeats}" if repeats else anchor)
    return anchors


def _absent(pattern: re.Pattern[str], passage: Passage, exists: Callable[[re.Match[str]], bool]) -> Missing:
    return ((found.start(), found[0]) for found in pattern.finditer(passage.text) if not exists(found))


EVERYWHERE = (_full_names, _magics, _variables, _extras, _commands)
PROSE = (*EVERYWHERE, _decisions, _files, _methods, _targets, _folders)
CHECKS = {
    Kind.DOCUMENT: (*PROSE, _members, _modules, _tables, _links),
    Kind.EXAMPLE: (*EVERYWHERE, _members, _methods, _targets),
    Kind.NOTE: (*PROSE, _roles),
    Kind.TEXT: EVERYWHERE,
}
