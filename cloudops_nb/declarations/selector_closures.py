"""Compiles selectors (JMESPath expressions) to Python closures, which are several times faster than jmespath itself.

A scan evaluates dozens of selectors per resource, and jmespath's interpreter walks the tree of an expression each time.
Here each node of the tree is turned into a function once. Kinds of nodes that are rare in declarations are left to the
interpreter. The results are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from jmespath.visitor import Options, TreeInterpreter

Closure = Callable[[Any], Any]
Node = dict[str, Any]

#: The function for each comparison, by jmespath's name for it, such as ``eq`` or ``lt``.
#: This module implements the semantics of https://jmespath.org/specification.html.
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = TreeInterpreter.COMPARATOR_FUNC


def compiled_closure(node: Node, options: Options) -> Closure:
    """Return a function that evaluates a node of a parsed expression, and returns what jmespath's interpreter would."""
    # Functions such as sort_by take an expression (&) as an argument. Calls of these are left to the interpreter.
    make = _MAKERS.get(node["type"])
    if make is None or any(child["type"] == "expref" for child in node["children"] if isinstance(child, dict)):
        interpreter = TreeInterpreter(options)
        return lambda value: interpreter.visit(node, value)
    return make(node, [compiled_closure(child, options) for child in node["children"]], options)


def _is_false(value: Any) -> bool:
    # Unlike in Python, zero is true in JMESPath.
    return value is None or value is False or value in ("", [], {})


def _field(node: Node, _: list[Closure], __: Options) -> Closure:
    name = node["value"]

    def field(value: Any) -> Any:
        try:
            return value.get(name)
        except AttributeError:
            return None

    return field


def _chain(_: Node, parts: list[Closure], __: Options) -> Closure:
    if len(parts) == 2:  # noqa: PLR2004 - nearly all have two
        first, second = parts
        return lambda value: second(first(value))

    def chain(value: Any) -> Any:
        for part in parts:
            value = part(value)
        return value

    return chain


def _index(node: Node, _: list[Closure], __: Options) -> Closure:
    position = node["value"]

    def index(value: Any) -> Any:
        if not isinstance(value, list):
            return None
        try:
            return value[position]
        except IndexError:
            return None

    return index


def _literal(node: Node, _: list[Closure], __: Options) -> Closure:
    found = node["value"]
    return lambda _: found


def _identity(_: Node, __: list[Closure], ___: Options) -> Closure:
    return lambda value: value


def _has_order(value: Any) -> bool:
    """Return whether ``<`` can compare a value: a number or, in jmespath but not in the standard, a text."""
    return isinstance(value, str | Number) and not isinstance(value, bool)


def _comparator(node: Node, sides: list[Closure], _: Options) -> Closure:
    left, right = sides
    equal, compare = node["value"] == "eq", _COMPARISONS[node["value"]]
    text = _literal_text(node["children"][1])
    # Most comparisons in declarations compare a field with a literal text.
    if text is not None and node["value"] in ("eq", "ne"):
        return lambda value: (left(value) == text) is equal

    def order(value: Any) -> bool | None:
        one, other = left(value), right(value)
        return compare(one, other) if _has_order(one) and _has_order(other) else None

    if node["value"] not in ("eq", "ne"):
        return order

    def comparator(value: Any) -> bool:
        one, other = left(value), right(value)
        # Python's == makes true equal to 1 and false equal to 0, but JMESPath does not. For texts, == is right.
        return (one == other) is equal if type(other) is str else compare(one, other)

    return comparator


def _literal_text(node: Node) -> str | None:
    """Return the text of a node that is a literal text, or ``None`` for other nodes."""
    found = node["value"] if node["type"] == "literal" else None
    return found if isinstance(found, str) else None


def _or(_: Node, sides: list[Closure], __: Options) -> Closure:
    left, right = sides

    def either(value: Any) -> Any:
        found = left(value)
        return right(value) if _is_false(found) else found

    return either


def _and(_: Node, sides: list[Closure], __: Options) -> Closure:
    left, right = sides

    def both(value: Any) -> Any:
        found = left(value)
        return found if _is_false(found) else right(value)

    return both


def _projection(_: Node, parts: list[Closure], __: Options) -> Closure:
    listed, each = parts

    def projection(value: Any) -> Any:
        found = listed(value)
        if not isinstance(found, list):
            return None
        return [one for one in map(each, found) if one is not None]  # a projection drops nulls

    return projection


def _filter_projection(_: Node, parts: list[Closure], __: Options) -> Closure:
    listed, each, condition = parts

    def projection(value: Any) -> Any:
        found = listed(value)
        if not isinstance(found, list):
            return None
        passed = (each(one) for one in found if not _is_false(condition(one)))
        return [one for one in passed if one is not None]

    return projection


def _flatten(_: Node, parts: list[Closure], __: Options) -> Closure:
    (listed,) = parts

    def flatten(value: Any) -> Any:
        found = listed(value)
        if not isinstance(found, list):
            return None
        merged: list[Any] = []  # only one level is flattened
        for one in found:
            if isinstance(one, list):
                merged.extend(one)
            else:
                merged.append(one)
        return merged

    return flatten


def _multi_select_list(_: Node, parts: list[Closure], __: Options) -> Closure:
    # A multi-select list on null gives null, not a list of nulls.
    return lambda value: None if value is None else [part(value) for part in parts]


def _function(node: Node, arguments: list[Closure], options: Options) -> Closure:
    name, functions = node["value"], options.custom_functions

    def checked(value: Any) -> Any:
        return functions.call_function(name, [argument(value) for argument in arguments])

    kinds = _argument_types(functions, name, len(arguments))
    if kinds is None:
        return checked
    function = functions.FUNCTION_TABLE[name]["function"]

    def call(value: Any) -> Any:
        found = [argument(value) for argument in arguments]
        for one, allowed in zip(found, kinds, strict=False):
            if allowed and type(one).__name__ not in allowed:
                return functions.call_function(name, found)  # raises jmespath's own error
        return function(functions, *found)

    return call


def _argument_types(functions: Any, name: str, given: int) -> list[frozenset[str]] | None:
    """Return, for each argument of a function, the names of the accepted Python types; an empty set means any type.

    The result is ``None`` if jmespath itself must check each call, because the function is unknown, the number of
    arguments is wrong, or the signature also restricts the elements of lists.
    """
    declared = functions.FUNCTION_TABLE.get(name)
    if declared is None:
        return None
    signature = declared["signature"]
    variadic = bool(signature) and bool(signature[-1].get("variadic"))
    if given < len(signature) if variadic else given != len(signature):
        return None
    types = functions._get_allowed_pytypes  # noqa: SLF001 - jmespath has no public mapping of its type names to Python's
    allowed = [types(each["types"]) for each in signature]
    return None if any(within for _, within in allowed) else [frozenset(kinds) for kinds, _ in allowed]


_MAKERS: dict[str, Callable[[Node, list[Closure], Options], Closure]] = {
    "field": _field,
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _chain,
    "index": _index,
    "literal": _literal,
    "current": _identity,
    "identity": _identity,
    "comparator": _comparator,
    "or_expression": _or,
    "and_expression": _and,
    "projection": _projection,
    "filter_projection": _filter_projection,
    "flatten": _flatten,
    "multi_select_list": _multi_select_list,
    "function_expression": _function,
}
