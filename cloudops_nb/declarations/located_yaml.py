"""A strict YAML reader that keeps the line and column of every value.

YAML 1.1 and YAML 1.2 give different values to unquoted scalars such as ``no``, ``012``, ``1:30`` or ``1e3``. The reader
refuses these scalars instead of guessing, and the message names the form that every reader understands. A quoted scalar
is text in both versions. The reader also refuses anchors, aliases, tags, merge keys, duplicate keys and keys that are
not text, because a reviewer could misread them.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from cloudops_nb.errors import PlaybookError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Systems Manager's limit for the size of a document, in bytes.
#: https://docs.aws.amazon.com/general/latest/gr/ssm.html
MAX_BYTES = 64 * 1024
MAX_DEPTH = 32

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,17})\.\d{1,17}")
_NUMBER_FOR_SOME_READERS = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?|0o[0-7]+")
#: The spellings that YAML 1.1 and the core schema of YAML 1.2 read alike: https://yaml.org/spec/1.2.2/#103-core-schema
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_YES = frozenset({"yes", "on", "y"})


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A problem at a line and column, both counted from 1."""

    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column} {self.message}"


@dataclass(frozen=True, slots=True)
class LocatedYaml:
    """The data of one YAML document, and the line and column of each value, by its path (keys and indexes)."""

    source: str
    data: Any
    positions: Mapping[Path, tuple[int, int]] = field(repr=False)

    def problem(self, path: Path, message: str) -> Problem:
        """Return a problem at a path; if the document does not have the path, at the nearest existing parent."""
        while path not in self.positions:
            path = path[:-1]
        return Problem(*self.positions[path], message)


def read_yaml(text: str, source: str) -> LocatedYaml:
    """Read one YAML document.

    Args:
        text: The document.
        source: The document's name in error texts.

    Raises:
        PlaybookError: The text is not YAML, is empty, too large or nested too deep, or contains a refused construct.
            The error lists the problems, each with ``line:column``.
    """
    text = checked_text(text, source)
    problems: list[Problem] = []
    positions: dict[Path, tuple[int, int]] = {}
    try:
        problems += _refused_events(text)
        if problems:
            raise invalid(source, problems)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        raise invalid(source, _problems_up_to(error, text)) from None
    except yaml.YAMLError as error:
        raise invalid(source, [Problem(1, 1, f"is not YAML: {str(error).splitlines()[0]}")]) from None
    if root is None:
        raise invalid(source, [Problem(1, 1, "is empty")])
    data = _construct(root, (), positions, problems)
    if problems:
        raise invalid(source, problems)
    return LocatedYaml(source, data, positions)


def checked_text(text: str, source: str) -> str:
    """Return the text without a byte order mark.

    Raises:
        PlaybookError: The text is too large, or contains half of a surrogate pair, which no file can contain.
    """
    # A character takes at most four bytes, so an enormous text is refused before it is encoded.
    try:
        size = len(text) if len(text) > MAX_BYTES else len(text.encode())
    except UnicodeEncodeError as error:
        place = line_and_column(text, error.start)
        raise invalid(source, [Problem(*place, "half of a surrogate pair is no character: remove it")]) from None
    if size > MAX_BYTES:
        raise PlaybookError(f"{source} is larger than {MAX_BYTES} bytes", "Systems Manager accepts no larger document")
    if control := _CONTROL.search(text):
        place = line_and_column(text, control.start())
        raise invalid(source, [Problem(*place, f"control character U+{ord(control[0]):04X} is not allowed: remove it")])
    return text.removeprefix("\ufeff")


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Return the line and the column of a character, counted from 1."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def invalid(source: str, problems: Iterable[Problem], *, longest: int | None = None) -> PlaybookError:
    """Return an error that lists the problems in ``source``, sorted by line and column.

    Args:
        source: The document's name; it counts in the length of the error.
        problems: The problems.
        longest: The most characters of the whole error; later problems are then counted instead of listed.
    """
    fix = "The numbers are line:column."
    ordered = sorted(set(problems))
    listed = list(map(str, ordered))
    if longest is None:
        return PlaybookError(f"{source} is not valid", "; ".join(listed), fix)
    room = longest - len(str(PlaybookError(f"{source} is not valid", "x", fix)))
    return PlaybookError(f"{source} is not valid", _fitting(listed, room), fix)


def _fitting(listed: list[str], room: int) -> str:
    """Return as many problems as fit, at least part of the first, and the number of the others."""
    for count in range(len(listed), 1, -1):
        rest = len(listed) - count
        text = "; ".join(listed[:count]) + (f"; and {rest} more" if rest else "")
        if len(text) <= room:
            return text
    more = f"; and {len(listed) - 1} more" if len(listed) > 1 else ""
    first, space = listed[0], room - len(more)
    return (first if len(first) <= space else f"{first[: space - 1]}…") + more


def _refused_events(text: str) -> Iterator[Problem]:
    """Yield a problem for each anchor, alias and tag, and for nesting that is too deep.

    libyaml's events are checked before PyYAML composes nodes from them. Composed nodes no longer show anchors and
    aliases, and composing deeply nested text would exhaust the stack.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            yield _problem(event, f"is nested deeper than {MAX_DEPTH} levels")
            return
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            kind = "alias *" if isinstance(event, yaml.AliasEvent) else "anchor &"
            yield _problem(event, f"{kind}{event.anchor} is refused: write the value out")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            yield _problem(event, f"tag {event.tag} is refused")


def _problems_up_to(error: yaml.MarkedYAMLError, text: str) -> list[Problem]:
    """Return the refused constructs that precede a syntax error; if there are none, the syntax error.

    libyaml reads ahead, and since version 0.2.6 it refuses more than 1000 nested brackets. So it may raise a syntax
    error before it yields the event that is nested too deep for this reader.
    """
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return [Problem(1, 1, f"is not YAML: {error.problem}")]
    refused: list[Problem] = []
    with suppress(yaml.YAMLError):
        refused.extend(_refused_events(text[: mark.index]))
    return refused or [Problem(mark.line + 1, mark.column + 1, f"is not YAML: {error.problem}")]


def _construct(node: yaml.Node, path: Path, positions: dict[Path, tuple[int, int]], problems: list[Problem]) -> Any:
    positions[path] = position(node)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*path, index), positions, problems) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _construct_mapping(node, path, positions, problems)
    return _construct_scalar(node, problems)


def _construct_mapping(
    node: yaml.MappingNode, path: Path, positions: dict[Path, tuple[int, int]], problems: list[Problem]
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _construct_scalar(key_node, problems) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            problems.append(_problem(key_node, "a key must be text"))
            continue
        if key in data:
            problems.append(_problem(key_node, f"key {key} is given twice"))
        data[key] = _construct(value_node, (*path, key), positions, problems)
        # Report problems of a value at its key, because a user looks for the key.
        positions[*path, key] = position(key_node)
    return data


def _construct_scalar(node: yaml.Node, problems: list[Problem]) -> Any:
    text: str = node.value
    if not isinstance(node, yaml.ScalarNode) or node.style:
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if node.tag != f"{_TAG}str" or _NUMBER_FOR_SOME_READERS.fullmatch(text):
        problems.append(_problem(node, _misread(text, node.tag.removeprefix(_TAG))))
    return text


def _misread(text: str, kind: str) -> str:
    """Return the message for a scalar that YAML readers understand differently, with the form that is meant."""
    if kind == "bool":
        meant = "true" if text.casefold() in _YES else "false"
        return f"{text} is {meant} to some YAML readers: write {meant}, or '{text}' if text is meant"
    meaning = {"timestamp": "a time", "merge": "a merge"}.get(kind, "a number")
    plain = "" if kind in {"timestamp", "merge"} else "write a plain decimal number, or "
    return f"{text} is {meaning} to some YAML readers: {plain or 'write '}'{text}' if text is meant"


def _problem(where: yaml.Event | yaml.Node, message: str) -> Problem:
    return Problem(*position(where), message)


def position(where: yaml.Event | yaml.Node) -> tuple[int, int]:
    """Return the line and column of a node, counted from 1."""
    mark = where.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
