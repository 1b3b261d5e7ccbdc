"""The fields of an answer that selectors read, and botocore's model of the answer without the other fields.

botocore builds Python objects for every field of an answer that its model has, and skips fields that the model lacks.
An EC2 instance has over a hundred fields, of which a scan reads a third; without narrowing, building the others was
most of a scan's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cloudops_nb.declarations.selectors import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NODES_WITH_HEAD = ("subexpression", "index_expression", "projection", "filter_projection", "flatten")
_ShapeModel = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AnswerFields:
    """The names of the fields of an answer that are read.

    A name counts at every depth of the answer, so that the set is rather too large than too small.

    Attributes:
        whole: Fields that are read with everything in them.
        through: Fields of which only the fields in this set are read.
    """

    whole: frozenset[str]
    through: frozenset[str]

    def __or__(self, other: AnswerFields) -> AnswerFields:
        return AnswerFields(self.whole | other.whole, self.through | other.through)


def narrowed_shapes(
    model: Mapping[str, Any], operation: str, fields: AnswerFields, paging: Mapping[str, Any]
) -> dict[str, Any]:
    """Return narrow editions of the shapes of an operation's answer, by name.

    Args:
        model: botocore's model of the service.
        operation: The operation; :func:`narrowed_shape_name` names the narrow shape of its answer.
        fields: The fields that are read.
        paging: botocore's rules for the operation's pages, empty if it has none.
    """
    tokens = (paging.get(name, ()) for name in ("output_token", "more_results"))
    listed = [text for one in tokens for text in ([one] if isinstance(one, str) else one)]
    return _AnswerNarrowing(model["shapes"], operation, fields | fields_read(listed)).answer(
        model["operations"][operation]
    )


def narrowed_shape_name(shape: str, operation: str) -> str:
    """Return the name of an operation's narrow edition of a shape."""
    return f"{shape}Of{operation}"


class _AnswerNarrowing:
    def __init__(self, shapes: Mapping[str, _ShapeModel], operation: str, fields: AnswerFields) -> None:
        self._shapes = shapes
        self._operation = operation
        self._answer_fields = fields
        self._made: dict[str, _ShapeModel] = {}

    def answer(self, operation: Mapping[str, Any]) -> dict[str, _ShapeModel]:
        """Narrow an answer; its direct members stay, because the check for incomplete answers needs their names."""
        name = operation["output"]["shape"]
        shape = self._shapes[name]
        members = {key: self._member(key, member) for key, member in shape["members"].items()}
        self._made[narrowed_shape_name(name, self._operation)] = {**shape, "members": members}
        return self._made

    def _member(self, name: str, member: _ShapeModel) -> _ShapeModel:
        if name in self._answer_fields.whole or name not in self._answer_fields.through:
            return member
        return self._edition(member)

    def _edition(self, reference: _ShapeModel) -> _ShapeModel:
        """Return a reference to the narrow edition of a shape, which is created on first use."""
        name = reference["shape"]
        ours = narrowed_shape_name(name, self._operation)
        if ours not in self._made:
            self._made[ours] = {}  # before the recursion: a shape may contain itself
            self._made[ours].update(self._narrow(self._shapes[name]))
        return {**reference, "shape": ours}

    def _narrow(self, shape: _ShapeModel) -> _ShapeModel:
        match shape["type"]:
            case "list":
                return {**shape, "member": self._edition(shape["member"])}
            case "structure" if not shape.keys() & {"union", "document", "eventstream", "payload"}:
                read = self._answer_fields.whole | self._answer_fields.through
                members = {key: self._member(key, each) for key, each in shape["members"].items() if key in read}
                kept = [name for name in shape.get("required", ()) if name in members]
                return {**shape, "members": members, "required": kept}
            case _:
                return shape


def fields_read(selectors: Iterable[str], *, passed: bool = False) -> AnswerFields:
    """Return the fields that selectors read; with ``passed``, other selectors read the fields of their results."""
    whole: set[str] = set()
    through: set[str] = set()
    for selector in selectors:
        for name, goes_on in _fields_of_node(compiled(selector).parsed, goes_on=passed):
            (through if goes_on else whole).add(name)
    return AnswerFields(frozenset(whole), frozenset(through))


def _fields_of_node(node: Mapping[str, Any], *, goes_on: bool) -> Iterator[tuple[str, bool]]:
    """Yield each field of a parsed selector, and whether the selector continues into a field of it."""
    children = [child for child in node["children"] if isinstance(child, dict)]
    match node["type"]:
        case "field":
            yield node["value"], goes_on
        case "flatten" | "index_expression":
            yield from _fields_of_node(children[0], goes_on=goes_on)
        case "subexpression":
            for child, following in pairwise([*children, None]):
                if child:
                    yield from _fields_of_node(child, goes_on=_begins_with_field(following) if following else goes_on)
        case "projection" | "filter_projection":
            left, right, *conditions = children
            stays = right["type"] == "identity"
            yield from _fields_of_node(left, goes_on=goes_on if stays else _begins_with_field(right))
            yield from _fields_of_node(right, goes_on=goes_on)
            for condition in conditions:
                yield from _fields_of_node(condition, goes_on=False)
        case _:
            for child in children:
                yield from _fields_of_node(child, goes_on=False)


def _begins_with_field(node: Mapping[str, Any]) -> bool:
    return node["type"] == "field" or (node["type"] in _NODES_WITH_HEAD and _begins_with_field(node["children"][0]))
