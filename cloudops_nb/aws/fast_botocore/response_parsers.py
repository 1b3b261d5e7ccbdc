"""botocore's response parsers, with what they do for every element of an XML answer done once for each shape.

A parser takes the namespace off every tag by a regular expression, of which a page of instances has tens of thousands,
looks up for each structure how each member is written, and reads every time without knowing that AWS writes nearly all
of them in one form.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.parsers import BaseXMLResponseParser, ResponseParserError, ResponseParserFactory
from botocore.utils import parse_timestamp
from lxml import etree

from cloudops_nb.aws.fast_botocore.process_tuning import parsing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from xml.etree.ElementTree import Element

    from botocore.model import Shape

#: The names of the elements of all of AWS's answers are some thousands.
_CACHED_NAMES = 1 << 14
#: Bytes of an answer that takes milliseconds to read.
_LONG = 1 << 16
#: How botocore reads a text, where a protocol does not read it otherwise.
_OF_TEXT = getattr(BaseXMLResponseParser, "_handle_string", None)
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class QuickParserFactory(ResponseParserFactory):
    """Makes botocore's own parsers, each of which answers as it would otherwise.

    What is replaced are methods that botocore does not promise to keep: without them, parsers are slower and right.
    """

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=parsed_time)

    def create_parser(self, protocol_name: str) -> Any:
        """Make the parser of a protocol."""
        parser: Any = super().create_parser(protocol_name)
        kind: Any = type(parser)
        own: tuple[Any, ...] = (_InTurn, _QuickStructures) if issubclass(kind, BaseXMLResponseParser) else (_InTurn,)
        return _quick(kind, *own)(timestamp_parser=parsed_time)


def parsed_time(value: Any) -> datetime:
    """Return the time in an answer: ISO 8601 without botocore's general parser, other forms by it.

    botocore's parser tries several formats for each value, which would take much of a scan's CPU time.

    Raises:
        ValueError: The value is no time.
    """
    if isinstance(value, str) and _ISO_TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass  # for example a leap second, which botocore's parser decides on
    found: datetime = parse_timestamp(value)
    return found


class _InTurn:
    """Has few threads read long answers at the same time; short ones, on which others wait, are read at once."""

    def parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        body = response["body"]
        with parsing if isinstance(body, bytes) and len(body) > _LONG else nullcontext():
            return super().parse(response, shape)


class _Member(NamedTuple):
    """A member of a structure, what its element is called, and what reads it."""

    name: str
    tag: str
    shape: Shape
    read: Callable[[Shape, Any], Any]


class _Plan(NamedTuple):
    """How the members of a shape are written; the shape is kept so that no other gets its id."""

    shape: Shape
    members: tuple[_Member, ...]
    tags: frozenset[str]


class _QuickStructures(BaseXMLResponseParser):
    """Reads structures by a plan made at the first of each shape; rare kinds of structures are left to botocore."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._plans: dict[int, _Plan | None] = {}
        self._readers: dict[str, Callable[[Shape, Any], Any]] = {}

    def _parse_xml_string_to_dom(self, xml_string: bytes) -> Any:
        # lxml lets other threads run meanwhile; a parser of its own for each answer is what lets them.
        parser = etree.XMLParser(
            encoding=self.DEFAULT_ENCODING,
            no_network=True,
            resolve_entities=False,
            remove_comments=True,
            remove_pis=True,
            huge_tree=True,
            collect_ids=False,
        )
        try:
            root: Any = etree.fromstring(xml_string, parser)
        except etree.XMLSyntaxError as error:
            raise ResponseParserError(f"Unable to parse response ({error}), invalid XML received.") from error
        if root.getroottree().docinfo.doctype:
            # AWS declares none; a page of something on the way does, and may leave entities where texts are looked for.
            raise ResponseParserError("Unable to parse response: it declares a document type, which AWS's do not.")
        return root

    def _node_tag(self, node: Element) -> str:
        return _bare(node.tag)

    def _handle_structure(self, shape: Any, node: Any) -> Any:
        try:
            plan = self._plans[id(shape)]
        except KeyError:
            plan = self._plans[id(shape)] = self._plan(shape)
        if plan is None:
            return super()._handle_structure(shape, node)
        found = _elements(node[0] if isinstance(node, list) else node, plan.tags)
        parsed = {}
        for name, tag, member, read in plan.members:
            if tag in found:
                parsed[name] = read(member, found[tag])
        return parsed

    def _parse_shape(self, shape: Any, node: Any) -> Any:
        return self._reader(shape)(shape, node)

    def _reader(self, shape: Shape) -> Callable[[Shape, Any], Any]:
        kind = shape.type_name
        if kind not in self._readers:
            own: Any = getattr(self, f"_handle_{kind}", self._default_handle)
            self._readers[kind] = _text if own.__func__ is _OF_TEXT else own
        return self._readers[kind]

    def _plan(self, shape: Any) -> _Plan | None:
        given: Mapping[str, Any] = shape.members
        if shape.metadata.get("exception") or shape.is_tagged_union:
            return None
        if any(each.serialization.get("xmlAttribute") for each in given.values()):
            return None
        members = tuple(
            _Member(name, self._member_key_name(each, name), each, self._reader(each))
            for name, each in given.items()
            if each.serialization.get("location") not in self.KNOWN_LOCATIONS
            and not each.serialization.get("eventheader")
        )
        return _Plan(shape, members, frozenset(each.tag for each in members))


def _text(_: Shape, node: Any) -> Any:
    try:
        return node.text or ""
    except AttributeError:  # it came in a header
        return node


def _elements(node: Iterable[Element], tags: frozenset[str]) -> Mapping[str, Any]:
    """Return the children that have one of some tags; those that share a tag in a list."""
    found: dict[str, Any] = {}
    for item in node:
        tag = _bare(item.tag)
        if tag not in tags:
            continue
        if tag not in found:
            found[tag] = item
        elif isinstance(found[tag], list):
            found[tag].append(item)
        else:
            found[tag] = [found[tag], item]
    return found


@cache
def _quick(parser: Any, *before: Any) -> type[Any]:
    """Return the class of a parser with others before it."""
    return type(f"Quick{parser.__name__}", (*before, parser), {})


@lru_cache(maxsize=_CACHED_NAMES)
def _bare(tag: str) -> str:
    """Take the namespace off a tag, as botocore does."""
    return tag.rpartition("}")[2]
