"""A strict YAML reader that keeps the line and column of every value.

YAML 1.1 and YAML 1.2 disagree on plain scalars such as ``no``, ``012``, ``1:30`` or ``1e3``. The reader refuses such a
scalar instead of guessing; quoted, it is text in both. It also refuses aliases, anchors, tags, merge keys, duplicate
keys and keys that are not text, because a reviewer would not see what they expand to.
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

#: Systems Manager's limit for a document, in bytes.
#: https://docs.aws.amazon.com/general/latest/gr/ssm.html
MAX_BYTES = 64 * 1024
MAX_DEPTH = 32

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,17})\.\d{1,17}")
_NUMBER_TO_SOME = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?|0o[0-7]+")
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "": None}


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
    """The data of one YAML document, and the line and column at which each path in it starts."""

    source: str
    data: Any
    places: Mapping[Path, tuple[int, int]] = field(repr=False)

    def problem(self, path: Path, message: str) -> Problem:
        """Return a problem located at ``path``, or at its nearest parent that exists."""
        while path not in self.places:
            path = path[:-1]
        return Problem(*self.places[path], message)


def read_yaml(text: str, source: str) -> LocatedYaml:
    """Read one YAML document.

    Args:
        text: The document.
        source: Its name in messages.

    Raises:
        PlaybookError: The text is not YAML, too large, too deep, or contains a refused construct; the error lists every
            problem with ``line:column``.
    """
    if len(text.encode()) > MAX_BYTES:
        raise PlaybookError(f"{source} is larger than {MAX_BYTES} bytes", "Systems Manager takes no larger document")
    problems: list[Problem] = []
    places: dict[Path, tuple[int, int]] = {}
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
    data = _construct(root, (), places, problems)
    if problems:
        raise invalid(source, problems)
    return LocatedYaml(source, data, places)


def invalid(source: str, problems: list[Problem]) -> PlaybookError:
    """Return an error that lists all problems of ``source``, in the order of the file."""
    listed = "; ".join(map(str, sorted(set(problems))))
    return PlaybookError(f"{source} is not valid", listed, "The numbers are line:column.")


def _refused_events(text: str) -> Iterator[Problem]:
    """Yield constructs that composing would hide (anchors, aliases, tags), and nesting that would exhaust the stack."""
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
    """Return what is refused in front of a syntax error, or else the syntax error itself.

    libyaml reads ahead and limits nesting too (from 0.2.6 on, to 1000 brackets), so it may give up before it hands out
    the event that is nested too deep for us.
    """
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return [Problem(1, 1, f"is not YAML: {error.problem}")]
    refused: list[Problem] = []
    with suppress(yaml.YAMLError):
        refused.extend(_refused_events(text[: mark.index]))
    return refused or [Problem(mark.line + 1, mark.column + 1, f"is not YAML: {error.problem}")]


def _construct(node: yaml.Node, path: Path, places: dict[Path, tuple[int, int]], problems: list[Problem]) -> Any:
    places[path] = _place(node)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*path, index), places, problems) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _construct_mapping(node, path, places, problems)
    return _construct_scalar(node, problems)


def _construct_mapping(
    node: yaml.MappingNode, path: Path, places: dict[Path, tuple[int, int]], problems: list[Problem]
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = _construct_scalar(key_node, problems) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            problems.append(_problem(key_node, "a key must be text"))
            continue
        if key in data:
            problems.append(_problem(key_node, f"key {key} is given twice"))
        data[key] = _construct(value_node, (*path, key), places, problems)
        # Report a value's problem at its key, where a reader looks for it.
        places[*path, key] = _place(key_node)
    return data


def _construct_scalar(node: yaml.Node, problems: list[Problem]) -> Any:
    text: str = node.value
    if not isinstance(node, yaml.ScalarNode) or node.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    if node.tag != f"{_TAG}str" or _NUMBER_TO_SOME.fullmatch(text):
        kind = node.tag.removeprefix(_TAG)
        meaning = "a number" if kind == "str" else f"a {kind}"
        problems.append(_problem(node, f"{text} means {meaning} to some YAML readers: quote it"))
    return text


def _problem(where: yaml.Event | yaml.Node, message: str) -> Problem:
    return Problem(*_place(where), message)


def _place(where: yaml.Event | yaml.Node) -> tuple[int, int]:
    mark = where.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
