"""Finds the response fields that selectors (JMESPath expressions) read.

In names, *answer* means AWS's response.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.selectors import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NODES_WITH_HEAD = ("subexpression", "index_expression", "projection", "filter_projection", "flatten")


@dataclass(frozen=True, slots=True)
class AnswerFields:
    """The names of the response fields that are read.

    A name means fields at every depth of a response. So more fields than needed may be kept, but never fewer.

    Attributes:
        whole: Fields that are read with everything in them.
        partial: Fields of which only inner fields are read. The inner fields are in ``whole`` or ``partial``, too.
    """

    whole: frozenset[str]
    partial: frozenset[str]

    def __or__(self, other: AnswerFields) -> AnswerFields:
        return AnswerFields(self.whole | other.whole, self.partial | other.partial)


def fields_read(selectors: Iterable[str], *, continued: bool = False) -> AnswerFields:
    """Return the fields that selectors read.

    Args:
        selectors: JMESPath expressions.
        continued: Whether further selectors are evaluated on the results, so that only parts of the results are read.
    """
    whole: set[str] = set()
    partial: set[str] = set()
    for selector in selectors:
        for name, continues in _fields_of_node(compiled(selector).parsed, continues=continued):
            (partial if continues else whole).add(name)
    return AnswerFields(frozenset(whole), frozenset(partial))


def _fields_of_node(node: Mapping[str, Any], *, continues: bool) -> Iterator[tuple[str, bool]]:
    """Yield each field that a parsed selector names, and whether only inner fields of the field are read.

    Args:
        node: The selector, as jmespath parses it.
        continues: Whether only fields of the node's result are read.
    """
    children = [child for child in node["children"] if isinstance(child, dict)]
    match node["type"]:
        case "field":
            yield node["value"], continues
        case "flatten" | "index_expression":
            yield from _fields_of_node(children[0], continues=continues)
        case "subexpression":
            for child, following in pairwise([*children, None]):
                if child:
                    into_field = _begins_with_field(following) if following else continues
                    yield from _fields_of_node(child, continues=into_field)
        case "projection" | "filter_projection":
            left, right, *conditions = children
            is_bare = right["type"] == "identity"  # nothing follows the brackets
            yield from _fields_of_node(left, continues=continues if is_bare else _begins_with_field(right))
            yield from _fields_of_node(right, continues=continues)
            for condition in conditions:
                yield from _fields_of_node(condition, continues=False)
        case _:
            for child in children:
                yield from _fields_of_node(child, continues=False)


def _begins_with_field(node: Mapping[str, Any]) -> bool:
    return node["type"] == "field" or (node["type"] in _NODES_WITH_HEAD and _begins_with_field(node["children"][0]))
