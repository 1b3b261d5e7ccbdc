"""Finds, from botocore's models and without a call to AWS, the type of the value that a selector will give.

A selector is a JMESPath expression. *Shape* is botocore's word for the model of a structure, list or value. Here a
selector is evaluated not on a response, but on the shape of an operation's response. The result is a type and a list of
problems, for example that a field is unknown, or that a list is used as a structure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.model import ListShape, MapShape, StructureShape

from cloudops_nb.declarations.selectors import compiled
from cloudops_nb.specs.checks.problem import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.model import Shape

SCALARS = frozenset({"string", "number", "boolean", "timestamp", "blob"})
_KINDS = {
    "integer": "number", "long": "number", "float": "number", "double": "number", "short": "number",
    "bigdecimal": "number", "biginteger": "number", "char": "string",
}  # fmt: skip
#: Shapes that AWS sends as JSON in a string, and that botocore's event handlers decode.
_DECODED = frozenset({"policyDocumentType"})


@dataclass(frozen=True)
class Type:
    """The type of a value: its kind, the name of its shape, and the shapes or types of its parts.

    :func:`shape_type` converts the shape of a part only when a selector reaches that part.

    ``members`` are the members of a structure, by name. ``inner`` is the element of a list or the value of a map.
    ``keys`` are the keys that a map may have; it is empty if the map may have any key.
    """

    kind: str
    name: str = ""
    members: Mapping[str, Shape | Type] = field(default_factory=dict)
    inner: Shape | Type | None = None
    keys: frozenset[str] = frozenset()

    def __str__(self) -> str:
        words = {"list": "a list", "structure": "a structure", "map": "a map", "any": "anything", "null": "null"}
        kind = words.get(self.kind, f"a {self.kind}")
        return f"{kind} ({self.name})" if self.name else kind

    @property
    def element(self) -> Type:
        """The type of a list's elements or of a map's values."""
        return ANY if self.inner is None else shape_type(self.inner)


ANY, NULL = Type("any"), Type("null")
STRING, NUMBER, BOOLEAN = Type("string"), Type("number"), Type("boolean")


def shape_type(shape: Shape | Type) -> Type:
    """Return the type of a shape; the parts of the type remain shapes.

    A shape may contain itself, so a conversion of all parts would never end.
    """
    if isinstance(shape, Type):
        return shape
    if getattr(shape, "is_document_type", False) or shape.name in _DECODED:
        return ANY
    if isinstance(shape, StructureShape):
        return Type("structure", shape.name, shape.members)
    if isinstance(shape, ListShape):
        return Type("list", shape.name, inner=shape.member)
    if isinstance(shape, MapShape):
        return Type("map", shape.name, inner=shape.value, keys=frozenset(getattr(shape.key, "enum", None) or ()))
    return Type(_KINDS.get(shape.type_name, shape.type_name), shape.name)


def literal_type(value: Any) -> Type:
    """Return the type of a literal value in a selector."""
    if isinstance(value, dict):
        return Type("structure", "literal", {key: literal_type(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return Type("list", "literal", inner=literal_type(value[0]) if value else ANY)
    if isinstance(value, bool):
        return BOOLEAN
    if value is None:
        return NULL
    return STRING if isinstance(value, str) else NUMBER


def common_type(one: Type, other: Type) -> Type:
    """Return the type of a value that has one of two types: the other type if one is null, ``ANY`` if kinds differ."""
    if one.kind == "null" or other.kind == "null":
        return other if one.kind == "null" else one
    if one.kind != other.kind:
        return ANY
    if one.kind == "structure":
        return Type("structure", one.name, {**one.members, **other.members})
    if one.kind == "list":
        return Type("list", one.name, inner=other.element if one.element.kind == "any" else one.element)
    return one


def selector_type(selector: str, data: Type) -> tuple[Type, list[str]]:
    """Return the type of the value that a selector gives for data of type ``data``, and the selector's problems."""
    evaluation = _TypeEvaluation()
    found = evaluation.visit(compiled(selector).parsed, data)
    return found, [f"{selector!r}: {problem}" for problem in dict.fromkeys(evaluation.problems)]


class _TypeEvaluation:
    # visit() finds a method by jmespath's type of a node: _field evaluates nodes of the type "field".

    def __init__(self) -> None:
        self.problems: list[str] = []

    def visit(self, node: dict[str, Any], data: Type) -> Type:
        handler: Callable[[dict[str, Any], Type], Type] = getattr(self, f"_{node['type']}")
        return handler(node, data)

    def _wrong(self, text: str) -> Type:
        self.problems.append(text)
        return ANY

    def _field(self, node: dict[str, Any], data: Type) -> Type:
        name = node["value"]
        if data.kind in ("any", "null"):
            return data
        if data.kind == "map":
            if data.keys and name not in data.keys:
                return self._wrong(f"{name} is not a key of {data.name}{nearest(name, data.keys)}")
            return data.element
        if data.kind != "structure":
            return self._wrong(f"{name} is selected from {data}, which has no fields")
        if name not in data.members:
            return self._wrong(f"{name} is not in {data.name}{nearest(name, data.members)}")
        return shape_type(data.members[name])

    def _chain(self, node: dict[str, Any], data: Type) -> Type:
        for child in node["children"]:
            data = self.visit(child, data)
        return data

    _subexpression = _index_expression = _pipe = _chain

    def _element_of(self, data: Type, usage: str) -> Type:
        if data.kind in ("any", "null"):
            return ANY
        return data.element if data.kind == "list" else self._wrong(f"{usage} is used on {data}, which is not a list")

    def _projection(self, node: dict[str, Any], data: Type) -> Type:
        left = self._element_of(self.visit(node["children"][0], data), "[]")
        return Type("list", inner=self.visit(node["children"][1], left))

    def _filter_projection(self, node: dict[str, Any], data: Type) -> Type:
        left, right, condition = node["children"]
        element = self._element_of(self.visit(left, data), "[?…]")
        self.visit(condition, element)
        return Type("list", inner=self.visit(right, element))

    def _value_projection(self, node: dict[str, Any], data: Type) -> Type:
        left = self.visit(node["children"][0], data)
        if left.kind not in ("any", "null", "map", "structure"):
            self._wrong(f"* is used on {left}, which has no fields")
        values = left.element if left.kind == "map" else ANY
        return Type("list", inner=self.visit(node["children"][1], values))

    def _flatten(self, node: dict[str, Any], data: Type) -> Type:
        element = self._element_of(self.visit(node["children"][0], data), "[]")
        return Type("list", inner=element.element if element.kind == "list" else element)

    def _index(self, node: dict[str, Any], data: Type) -> Type:
        return self._element_of(data, f"[{node['value']}]")

    def _slice(self, _node: dict[str, Any], data: Type) -> Type:
        return Type("list", inner=self._element_of(data, "[:]"))

    def _comparator(self, node: dict[str, Any], data: Type) -> Type:
        sides = [self.visit(child, data) for child in node["children"]]
        kinds = {side.kind for side in sides} - {"any", "null"}
        if len(kinds) > 1 and not kinds & {"list", "structure", "map"}:
            self._wrong(f"{' and '.join(map(str, sides))} are never equal")
        return BOOLEAN

    def _or_expression(self, node: dict[str, Any], data: Type) -> Type:
        left, right = (self.visit(child, data) for child in node["children"])
        return common_type(left, right)

    def _and_expression(self, node: dict[str, Any], data: Type) -> Type:
        left, right = (self.visit(child, data) for child in node["children"])
        return right if right.kind == left.kind else ANY

    def _not_expression(self, node: dict[str, Any], data: Type) -> Type:
        self.visit(node["children"][0], data)
        return BOOLEAN

    def _literal(self, node: dict[str, Any], _data: Type) -> Type:
        return literal_type(node["value"])

    def _current(self, _node: dict[str, Any], data: Type) -> Type:
        return data

    _identity = _current

    def _multi_select_list(self, node: dict[str, Any], data: Type) -> Type:
        found = [self.visit(child, data) for child in node["children"]]
        inner = found[0]
        for other in found[1:]:
            inner = common_type(inner, other)
        return Type("list", inner=inner)

    def _multi_select_dict(self, node: dict[str, Any], data: Type) -> Type:
        pairs = {pair["value"]: self.visit(pair["children"][0], data) for pair in node["children"]}
        return Type("structure", "the structure in the selector", pairs)

    def _function_expression(self, node: dict[str, Any], data: Type) -> Type:
        plain = [child for child in node["children"] if child["type"] != "expref"]
        given = [self.visit(child, data) for child in plain]
        for child in node["children"]:
            if child["type"] == "expref":
                element = self._element_of(given[0], f"{node['value']}()") if given else ANY
                result = self.visit(child["children"][0], element)
                if node["value"] == "map":
                    return Type("list", inner=result)
        return self._result(node["value"], given)

    def _result(self, name: str, given: list[Type]) -> Type:
        if name in ("not_null", "merge"):
            found = given[0]
            for other in given[1:]:
                found = common_type(found, other)
            return found
        if name in ("sort_by", "sort", "reverse"):
            return given[0]
        if name in ("max_by", "min_by", "max", "min"):
            return self._element_of(given[0], f"{name}()")
        if name == "length" and given[0].kind in ("number", "boolean", "timestamp"):
            return self._wrong(f"length() does not accept {given[0]}")
        return _RESULTS.get(name, ANY)


_RESULTS = {
    **dict.fromkeys(("length", "to_number", "sum", "avg", "abs", "ceil", "floor", "roughly"), NUMBER),
    **dict.fromkeys(("contains", "starts_with", "ends_with"), BOOLEAN),
    **dict.fromkeys(("to_string", "join", "type", "arn_name", "day"), STRING),
    "keys": Type("list", inner=STRING),
    "values": Type("list", inner=ANY),
    "to_array": Type("list", inner=ANY),
    "split": Type("list", inner=STRING),
}
