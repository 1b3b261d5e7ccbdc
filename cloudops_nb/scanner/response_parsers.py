"""botocore's response parsers, with what they do for every element of an XML answer done once for each name.

A parser takes the namespace off every tag by a regular expression, of which a page of instances has tens of thousands,
and reads every time without knowing that AWS writes nearly all of them in one form.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.parsers import BaseXMLResponseParser, ResponseParserFactory

from cloudops_nb.scanner.timestamps import parsed_time

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: The names of the elements of all of AWS's answers are some thousands.
_CACHED_NAMES = 1 << 14
_REPLACED = "_node_tag"


class QuickParserFactory(ResponseParserFactory):
    """Makes botocore's own parsers, each of which answers as it would otherwise.

    What is replaced is a method that botocore does not promise to keep: without it, parsers are slower and right.
    """

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=parsed_time)

    def create_parser(self, protocol_name: str) -> Any:
        """Make the parser of a protocol."""
        parser: Any = super().create_parser(protocol_name)
        if isinstance(parser, BaseXMLResponseParser):
            setattr(parser, _REPLACED, _tag_of)
        return parser


@lru_cache(maxsize=_CACHED_NAMES)
def _bare(tag: str) -> str:
    """Take the namespace off a tag, as botocore does."""
    return tag.rpartition("}")[2]


def _tag_of(node: Element) -> str:
    return _bare(node.tag)
