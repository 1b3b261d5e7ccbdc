"""Which parts of a list answer the specs read, and botocore's model of the answer without the others.

botocore makes Python objects of every field of an answer that its model has. An EC2 instance has over a hundred, of
which a scan reads a third, and making the others was most of its work. What the model does not have, botocore skips.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.selectors import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_HEADED = ("subexpression", "index_expression", "projection", "filter_projection", "flatten")
_Shape = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """The fields of an answer that are read, by their names alone, so that it is rather too many than too few.

    Attributes:
        whole: Those of which everything may be read.
        through: Those of which only fields that are read themselves are.
    """

    whole: frozenset[str]
    through: frozenset[str]

    def __or__(self, other: Reading) -> Reading:
        return Reading(self.whole | other.whole, self.through | other.through)


def narrowed(model: Mapping[str, Any], operation: str, reading: Reading, paging: Mapping[str, Any]) -> dict[str, Any]:
    """Return the shapes of a service with those of an operation's answer cut down to what is read.

    Args:
        model: botocore's model of the service.
        operation: The operation, whose answer has the shape :func:`narrowed_name` gives afterwards.
        reading: What is read.
        paging: botocore's rules for the operation's pages, empty if it has none.
    """
    tokens = (paging.get(name, ()) for name in ("output_token", "more_results"))
    listed = [text for one in tokens for text in ([one] if isinstance(one, str) else one)]
    return _Narrowing(model["shapes"], operation, reading | fields_read(listed)).answer(model["operations"][operation])


def narrowed_name(shape: str, operation: str) -> str:
    """Return the name of an operation's own edition of a shape."""
    return f"{shape}Of{operation}"


class _Narrowing:
    def __init__(self, shapes: Mapping[str, _Shape], operation: str, reading: Reading) -> None:
        self._shapes = shapes
        self._operation = operation
        self._reading = reading
        self._made: dict[str, _Shape] = {}

    def answer(self, operation: Mapping[str, Any]) -> dict[str, _Shape]:
        """Narrow an answer; what is directly in it stays, as it tells a whole answer from another."""
        name = operation["output"]["shape"]
        shape = self._shapes[name]
        members = {key: self._member(key, member) for key, member in shape["members"].items()}
        self._made[narrowed_name(name, self._operation)] = {**shape, "members": members}
        return self._made

    def _member(self, name: str, member: _Shape) -> _Shape:
        if name in self._reading.whole or name not in self._reading.through:
            return member
        return self._edition(member)

    def _edition(self, reference: _Shape) -> _Shape:
        """Refer to a shape's narrow edition, which is made if it is not there."""
        name = reference["shape"]
        ours = narrowed_name(name, self._operation)
        if ours not in self._made:
            self._made[ours] = {}  # a shape may hold itself
            self._made[ours].update(self._narrow(self._shapes[name]))
        return {**reference, "shape": ours}

    def _narrow(self, shape: _Shape) -> _Shape:
        match shape["type"]:
            case "list":
                return {**shape, "member": self._edition(shape["member"])}
            case "structure" if not shape.keys() & {"union", "document", "eventstream", "payload"}:
                read = self._reading.whole | self._reading.through
                members = {key: self._member(key, each) for key, each in shape["members"].items() if key in read}
                kept = [name for name in shape.get("required", ()) if name in members]
                return {**shape, "members": members, "required": kept}
            case _:
                return shape


def fields_read(selectors: Iterable[str], *, passed: bool = False) -> Reading:
    """Return what selectors read; ``passed`` says that what they select is looked into by others."""
    whole: set[str] = set()
    through: set[str] = set()
    for selector in selectors:
        for name, goes_on in _fields(compiled(selector).parsed, goes_on=passed):
            (through if goes_on else whole).add(name)
    return Reading(frozenset(whole), frozenset(through))


def _fields(node: Mapping[str, Any], *, goes_on: bool) -> Iterator[tuple[str, bool]]:
    """Yield the fields of a parsed selector, and whether it goes on from each to one of its own fields."""
    children = [child for child in node["children"] if isinstance(child, dict)]
    match node["type"]:
        case "field":
            yield node["value"], goes_on
        case "flatten" | "index_expression":
            yield from _fields(children[0], goes_on=goes_on)
        case "subexpression":
            for child, following in pairwise([*children, None]):
                if child:
                    yield from _fields(child, goes_on=_begins_with_field(following) if following else goes_on)
        case "projection" | "filter_projection":
            left, right, *conditions = children
            stays = right["type"] == "identity"
            yield from _fields(left, goes_on=goes_on if stays else _begins_with_field(right))
            yield from _fields(right, goes_on=goes_on)
            for condition in conditions:
                yield from _fields(condition, goes_on=False)
        case _:
            for child in children:
                yield from _fields(child, goes_on=False)


def _begins_with_field(node: Mapping[str, Any]) -> bool:
    return node["type"] == "field" or (node["type"] in _HEADED and _begins_with_field(node["children"][0]))
