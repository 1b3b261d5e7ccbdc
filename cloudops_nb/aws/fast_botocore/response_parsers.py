"""botocore's response parsers, with methods that do once per shape what botocore repeats for every XML element.

*Shape* is botocore's word for the model of a structure, list or value. botocore removes the namespace of every tag by a
regular expression, and a page of EC2 instances has tens of thousands of tags. For every structure, botocore looks up
the element name of each member. For every timestamp, it tries several formats, although AWS writes nearly all
timestamps in one format.
"""

from __future__ import annotations

import re
import threading
from contextlib import nullcontext
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.parsers import BaseXMLResponseParser, ResponseParser, ResponseParserError, ResponseParserFactory
from botocore.utils import parse_timestamp
from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from xml.etree.ElementTree import Element

    from botocore.model import Shape

#: Enough for every tag, because AWS's responses have only a few thousand different tags.
_CACHED_TAGS = 1 << 14
#: Bytes above which a response takes milliseconds to parse.
_LONG_ANSWER_BYTES = 1 << 16
#: Limits the number of threads that parse long responses at the same time. More threads would wait for each other, keep
#: their responses in memory, and delay threads with short work.
parsing_slots = threading.BoundedSemaphore(2)
#: botocore's private method that reads strings. In parsers that do not override this method, :func:`_element_text`
#: replaces it, and returns the same without the decorator that botocore puts around each call.
_BOTOCORE_STRING_READER: Any = BaseXMLResponseParser._handle_string  # noqa: SLF001
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class QuickParserFactory(ResponseParserFactory):
    """Creates botocore's parsers with faster methods and the same results.

    Most of the overridden methods are private to botocore; :mod:`.undocumented` lists them.
    """

    def create_parser(self, protocol_name: str) -> Any:
        """Return a parser for a protocol, such as ``ec2`` or ``json``."""
        parser: Any = super().create_parser(protocol_name)
        kind: Any = type(parser)
        is_xml = issubclass(kind, BaseXMLResponseParser)
        mixins: tuple[Any, ...] = (_LimitedParsing, _QuickStructures) if is_xml else (_LimitedParsing,)
        return _quick_parser_class(kind, *mixins)(timestamp_parser=parsed_time)


def parsed_time(value: Any) -> datetime:
    """Return the time that a timestamp of a response means; leave formats other than ISO 8601 to botocore.

    botocore itself tries several formats for each value, which would take much of a scan's CPU time.

    Raises:
        ValueError: The value is not a timestamp.
    """
    if isinstance(value, str) and _ISO_TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass  # for example a leap second; botocore decides whether it is valid
    found: datetime = parse_timestamp(value)
    return found


class _LimitedParsing(ResponseParser):
    """Limits the number of threads that parse long responses at the same time; short responses never wait."""

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
    """The plan for parsing every structure of one shape: the shape's members and their tags."""

    #: Plans are found by the id of their shape; this reference keeps Python from giving that id to a new object.
    shape: Shape
    members: tuple[_PlannedMember, ...]
    tags: frozenset[str]


class _QuickStructures(BaseXMLResponseParser):
    """Parses structures by a plan that is made once per shape, and leaves rare kinds of structures to botocore."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._plans: dict[int, _StructurePlan | None] = {}
        self._readers: dict[str, Callable[[Shape, Any], Any]] = {}

    # botocore calls this once per response. It reads tag, text, attrib and children of the result, which lxml's
    # elements have too, and expects a ResponseParserError for malformed XML. lxml is faster, and releases the
    # interpreter lock during parsing if each call has its own parser
    # (https://lxml.de/FAQ.html#can-i-use-threads-to-concurrently-access-the-lxml-api).
    def _parse_xml_string_to_dom(self, xml_string: bytes) -> Any:
        parser = etree.XMLParser(
            encoding="utf-8",
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
            # AWS's responses declare no document type, unlike the page of a proxy. lxml would leave unresolved entities
            # among the elements.
            raise ResponseParserError(
                "Unable to parse response: it declares a document type, which no AWS response does."
            )
        return root

    # botocore calls this for every element, and its own version applies a regular expression each time.
    def _node_tag(self, node: Element) -> str:
        return _without_namespace(node.tag)

    # botocore calls this for every structure. Its own version has special rules for errors, tagged unions and XML
    # attributes, so structures with these are left to it.
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

    # botocore calls this for every value, and its own version looks up the method _handle_<type> by name each time.
    def _parse_shape(self, shape: Any, node: Any) -> Any:
        return self._reader(shape)(shape, node)

    def _reader(self, shape: Shape) -> Callable[[Shape, Any], Any]:
        kind = shape.type_name
        if kind not in self._readers:
            method: Any = getattr(self, f"_handle_{kind}", super()._parse_shape)
            self._readers[kind] = _element_text if method.__func__ is _BOTOCORE_STRING_READER else method
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
    except AttributeError:  # the value of a header is a plain string, not an element
        return node


def _elements_by_tag(node: Iterable[Element], tags: frozenset[str]) -> Mapping[str, Any]:
    """Return the children that have one of the tags, by tag; as in botocore, several with the same tag form a list."""
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
def _quick_parser_class(parser: Any, *mixins: Any) -> type[Any]:
    """Return a subclass of a parser's class in which the methods of the mixins take precedence."""
    return type(f"Quick{parser.__name__}", (*mixins, parser), {})


@lru_cache(maxsize=_CACHED_TAGS)
def _without_namespace(tag: str) -> str:
    """Return a tag without its namespace; tags repeat, so the cache answers nearly every call."""
    return tag.rpartition("}")[2]
