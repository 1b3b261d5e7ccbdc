"""A strict YAML reader that keeps the line and column of every value.

YAML 1.1 and YAML 1.2 give different values to unquoted scalars such as ``no``, ``012``, ``1:30`` or ``1e3``. The reader
refuses these scalars instead of guessing. A quoted scalar is text in both versions. The reader also refuses anchors,
aliases, tags, merge keys, duplicate keys and keys that are not text, because a reviewer could misread them.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from cloudops_nb.errors import PlaybookError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Systems Manager's limit for the size of a document, in bytes.
#: https://docs.aws.amazon.com/general/latest/gr/ssm.html
MAX_BYTES = 64 * 1024
MAX_DEPTH = 32

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,17})\.\d{1,17}")
_NUMBER_FOR_SOME_READERS = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?|0o[0-7]+")
_CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "": None}


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
    if len(text.encode()) > MAX_BYTES:
        raise PlaybookError(f"{source} is larger than {MAX_BYTES} bytes", "Systems Manager accepts no larger document")
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


def invalid(source: str, problems: list[Problem]) -> PlaybookError:
    """Return an error that lists the problems in ``source``, sorted by line and column."""
    listed = "; ".join(map(str, sorted(set(problems))))
    return PlaybookError(f"{source} is not valid", listed, "Correct each; the numbers are line:column.")


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
    positions[path] = _position(node)
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
        positions[*path, key] = _position(key_node)
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
        kind = node.tag.removeprefix(_TAG)
        meaning = "a number" if kind == "str" else f"a {kind}"
        problems.append(_problem(node, f"{text} means {meaning} to some YAML readers: quote it"))
    return text


def _problem(where: yaml.Event | yaml.Node, message: str) -> Problem:
    return Problem(*_position(where), message)


def _position(where: yaml.Event | yaml.Node) -> tuple[int, int]:
    mark = where.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
