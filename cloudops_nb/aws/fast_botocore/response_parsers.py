"""botocore's response parsers, with work that they repeat for every XML element done once per shape.

botocore removes the namespace of every tag by a regular expression, and a page of EC2 instances has tens of thousands
of tags. For every structure it looks up the element name of each member, and for every time it tries several formats,
although AWS writes nearly all times in one.
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

from cloudops_nb.aws.fast_botocore.process_tuning import parsing_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from xml.etree.ElementTree import Element

    from botocore.model import Shape

#: More than the different tags in all of AWS's answers, which are a few thousand.
_CACHED_TAGS = 1 << 14
#: Bytes above which an answer takes milliseconds to parse.
_LONG_ANSWER_BYTES = 1 << 16
#: botocore's private reader of strings. A parser that has this one, and no override of its protocol, gets
#: :func:`_element_text`, which does the same without botocore's decorator around each call.
_BOTOCORE_STRING_READER = getattr(BaseXMLResponseParser, "_handle_string", None)
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class QuickParserFactory(ResponseParserFactory):
    """Creates botocore's parsers with faster methods and the same results.

    The overridden methods are private to botocore. If a later version no longer calls them, parsers are slower and
    return the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=parsed_time)

    def create_parser(self, protocol_name: str) -> Any:
        """Return a parser of a protocol."""
        parser: Any = super().create_parser(protocol_name)
        kind: Any = type(parser)
        is_xml = issubclass(kind, BaseXMLResponseParser)
        own: tuple[Any, ...] = (_LimitedParsing, _QuickStructures) if is_xml else (_LimitedParsing,)
        return _quick_parser_class(kind, *own)(timestamp_parser=parsed_time)


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


class _LimitedParsing:
    """Limits the threads that parse long answers at the same time; short answers never wait."""

    def parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        body = response["body"]
        with parsing_slots if isinstance(body, bytes) and len(body) > _LONG_ANSWER_BYTES else nullcontext():
            return super().parse(response, shape)


class _PlannedMember(NamedTuple):
    """A member of a structure: its name, the tag of its element, its shape, and the function that parses it."""

    name: str
    tag: str
    shape: Shape
    read: Callable[[Shape, Any], Any]


class _StructurePlan(NamedTuple):
    """The members and tags of a structure's shape; the reference to the shape keeps its id from being reused."""

    shape: Shape
    members: tuple[_PlannedMember, ...]
    tags: frozenset[str]


class _QuickStructures(BaseXMLResponseParser):
    """Parses structures by a plan per shape; botocore parses the rare kinds of structures."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._plans: dict[int, _StructurePlan | None] = {}
        self._readers: dict[str, Callable[[Shape, Any], Any]] = {}

    # botocore calls this once per answer, reads tag, text, attrib and children of the result, which lxml has too, and
    # expects a ResponseParserError for malformed XML. lxml is faster and releases the interpreter lock while it parses,
    # if each call has a parser of its own (https://lxml.de/FAQ.html#can-i-use-threads-to-concurrently-access-the-lxml-api).
    def _parse_xml_string_to_dom(self, xml_string: bytes) -> Any:
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
            # AWS's answers have no document type; a proxy's page has, and its entities would appear among the elements.
            raise ResponseParserError(
                "Unable to parse response: it declares a document type, which no AWS answer does."
            )
        return root

    # botocore calls this for every element and applies a regular expression; the cache holds each tag's bare name.
    def _node_tag(self, node: Element) -> str:
        return _without_namespace(node.tag)

    # botocore calls this for every structure and parses the members with _parse_shape. Errors, tagged unions and XML
    # attributes have special rules there, so they go to botocore's method.
    def _handle_structure(self, shape: Any, node: Any) -> Any:
        try:
            plan = self._plans[id(shape)]
        except KeyError:
            plan = self._plans[id(shape)] = self._plan(shape)
        if plan is None:
            return super()._handle_structure(shape, node)
        found = _elements_by_tag(node[0] if isinstance(node, list) else node, plan.tags)
        parsed = {}
        for name, tag, member, read in plan.members:
            if tag in found:
                parsed[name] = read(member, found[tag])
        return parsed

    # botocore calls this for every value and finds the method _handle_<type> by name each time.
    def _parse_shape(self, shape: Any, node: Any) -> Any:
        return self._reader(shape)(shape, node)

    def _reader(self, shape: Shape) -> Callable[[Shape, Any], Any]:
        kind = shape.type_name
        if kind not in self._readers:
            own: Any = getattr(self, f"_handle_{kind}", self._default_handle)
            self._readers[kind] = _element_text if own.__func__ is _BOTOCORE_STRING_READER else own
        return self._readers[kind]

    def _plan(self, shape: Any) -> _StructurePlan | None:
        given: Mapping[str, Any] = shape.members
        if shape.metadata.get("exception") or shape.is_tagged_union:
            return None
        if any(each.serialization.get("xmlAttribute") for each in given.values()):
            return None
        members = tuple(
            _PlannedMember(name, self._member_key_name(each, name), each, self._reader(each))
            for name, each in given.items()
            if each.serialization.get("location") not in self.KNOWN_LOCATIONS
            and not each.serialization.get("eventheader")
        )
        return _StructurePlan(shape, members, frozenset(each.tag for each in members))


def _element_text(_: Shape, node: Any) -> Any:
    try:
        return node.text or ""
    except AttributeError:  # a value from a header is a plain string
        return node


def _elements_by_tag(node: Iterable[Element], tags: frozenset[str]) -> Mapping[str, Any]:
    """Return the children with the given tags, by tag; several children with one tag as a list, as botocore does."""
    found: dict[str, Any] = {}
    for item in node:
        tag = _without_namespace(item.tag)
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
def _quick_parser_class(parser: Any, *before: Any) -> type[Any]:
    """Return a subclass of a parser's class in which the methods of other classes take precedence."""
    return type(f"Quick{parser.__name__}", (*before, parser), {})


@lru_cache(maxsize=_CACHED_TAGS)
def _without_namespace(tag: str) -> str:
    """Return a tag without its namespace, as botocore does."""
    return tag.rpartition("}")[2]
