"""The prose of the repository, cut into passages that know where they are: documents, docstrings, comments, texts."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: What one or two backticks enclose; a role of Sphinx is matched as a whole, so that its last one opens nothing.
SPAN = re.compile(r":\w+:`[^`]+`|(?<!`)(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)


class Kind(Enum):
    """What a passage is made of."""

    DOCUMENT = "the prose of a document"
    EXAMPLE = "a fenced block of a document"
    NOTE = "a docstring or a comment"
    TEXT = "any other string literal"


@dataclass(frozen=True)
class Passage:
    """A piece of prose.

    ``module`` and ``classes`` are the module and the nested classes that hold a note or a text; ``language`` is that of
    an example.
    """

    kind: Kind
    path: Path
    line: int
    text: str
    module: str = ""
    classes: tuple[str, ...] = ()
    language: str = ""

    def line_at(self, offset: int) -> int:
        """Return the line in the file at which this offset of the text is; of a text, its first line."""
        return self.line if self.kind is Kind.TEXT else self.line + self.text.count("\n", 0, offset)

    @property
    def spans(self) -> Iterator[tuple[int, str]]:
        """Each piece of code with its offset: what backticks enclose; of an example or a text, the whole."""
        if self.kind in {Kind.EXAMPLE, Kind.TEXT}:
            yield 0, self.text
        else:
            yield from ((found.start(2), found[2]) for found in SPAN.finditer(self.text) if found[2])


def document_passages(path: Path, text: str) -> Iterator[Passage]:
    """Cut a Markdown document at its fenced blocks."""
    end = 0
    for fence in FENCE.finditer(text):
        yield Passage(Kind.DOCUMENT, path, _line(text, end), text[end : fence.start()])
        yield Passage(Kind.EXAMPLE, path, _line(text, fence.start(2)), fence[2], language=fence[1])
        end = fence.end()
    yield Passage(Kind.DOCUMENT, path, _line(text, end), text[end:])


def code_passages(path: Path, text: str, module: str) -> Iterator[Passage]:
    """Return the docstrings, comments and string literals of a module."""
    tree = ast.parse(text)
    bodies = [(node, _docstring(node)) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)]
    docstrings = {id(found) for _, found in bodies}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    classes = list(_classes(tree.body, ()))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts and (written := _text(node)):
            kind = Kind.NOTE if id(node) in docstrings else Kind.TEXT
            yield Passage(kind, path, node.lineno, written, module, _around(classes, node.lineno))
    for line, comment in _comments(text):
        yield Passage(Kind.NOTE, path, line, comment, module, _around(classes, line))


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def _docstring(node: ast.AST) -> ast.expr | None:
    first = next(iter(getattr(node, "body", ())), None)
    return first.value if isinstance(first, ast.Expr) else None


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    """Return a literal's text, in which an ellipsis is in the place of each value."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return node.value if isinstance(node.value, str) else ""


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """Return the comments with their first lines; those on lines that follow each other are one."""
    block: list[str] = []
    start = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if block and token.start[0] != start + len(block):
            yield start, "\n".join(block)
            block = []
        start = start if block else token.start[0]
        block.append(token.string.lstrip("#: "))
    if block:
        yield start, "\n".join(block)


Located = tuple[int, int, tuple[str, ...]]


def _classes(body: Sequence[ast.stmt], outer: tuple[str, ...]) -> Iterator[Located]:
    """Return the first and last line of each class with its nested name, the outer ones first."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.lineno, node.end_lineno or node.lineno, (*outer, node.name)
            yield from _classes(node.body, (*outer, node.name))


def _around(classes: Sequence[Located], line: int) -> tuple[str, ...]:
    return next((name for first, last, name in reversed(classes) if first <= line <= last), ())
