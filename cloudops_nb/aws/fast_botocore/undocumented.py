"""The undocumented names of botocore that the fast parts use, and a check that the installed botocore has them.

A name is undocumented if it begins with an underscore, or if a fast part subclasses it, overrides it, sets it, or
imports it from a module that botocore's reference leaves out
(https://botocore.amazonaws.com/v1/documentation/api/latest/reference/). A test compares this list with the code.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

#: ``attribute`` is an attribute of objects, ``value`` a constant or an exception, and ``text`` a string in the code of
#: botocore, such as a key of a dictionary or the beginning of methods' names.
Kind = Literal["class", "function", "method", "value", "attribute", "text"]
_CALLED = ("class", "function", "method")


@dataclass(frozen=True, slots=True)
class UndocumentedName:
    """One undocumented name of botocore.

    Attributes:
        owner: The module, or the class as in ``botocore.hooks:EventAliaser``, that defines the name.
        name: The name.
        kind: The kind of the name.
        parameters: The names of the parameters; for a class, those of its constructor.
        used_in: Functions of botocore that use the name, as in ``botocore.session:Session.register``. Without them, an
            attribute of objects cannot be found, and an overridden method would never be called.
    """

    owner: str
    name: str
    kind: Kind
    parameters: tuple[str, ...] = ()
    used_in: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.owner.replace(':', '.')}.{self.name}"

    def problem(self) -> str:
        """Return how the installed botocore differs from what is declared here; empty if it does not."""
        try:
            owner = _found(self.owner)
            if self.kind not in ("attribute", "text") and self.name not in vars(owner):
                return f"{self} is missing"
            if self.kind in _CALLED and tuple(inspect.signature(vars(owner)[self.name]).parameters) != self.parameters:
                return f"{self} has other parameters"
            unused = [each for each in self.used_in if self.name not in _words_in(_found(each), self.kind)]
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            return f"{self} cannot be checked ({error})"
        return f"{self} is not used in {unused[0].partition(':')[2]}" if unused else ""


def first_problem() -> str:
    """Return how the installed botocore first differs from :data:`UNDOCUMENTED_NAMES`; empty if it does not."""
    return next(filter(None, (each.problem() for each in UNDOCUMENTED_NAMES)), "")


_HOOKS, _PARSERS, _LOADERS = "botocore.hooks", "botocore.parsers", "botocore.loaders"
_EMITTER, _BASE_HOOKS, _TRIE = f"{_HOOKS}:HierarchicalEmitter", f"{_HOOKS}:BaseEventHooks", f"{_HOOKS}:_PrefixTrie"
_ALIASER, _SESSION = f"{_HOOKS}:EventAliaser", "botocore.session:Session"
_PARSER, _XML_PARSER = f"{_PARSERS}:ResponseParser", f"{_PARSERS}:BaseXMLResponseParser"
_READING = ("self", "shape", "node")
_ENDPOINT = "botocore.endpoint:Endpoint._do_get_response"

#: All undocumented names that the fast parts use.
UNDOCUMENTED_NAMES = (
    # data_files
    UndocumentedName(_LOADERS, "JSONFileLoader", "class"),
    UndocumentedName(
        f"{_LOADERS}:JSONFileLoader", "_load_file", "method", ("self", "full_path", "open_method"),
        used_in=(f"{_LOADERS}:JSONFileLoader.load_file",),
    ),
    UndocumentedName(
        f"{_LOADERS}:Loader", "file_loader", "attribute",
        used_in=(f"{_LOADERS}:Loader.__init__", f"{_LOADERS}:Loader.load_data_with_path"),
    ),
    # event_hooks
    UndocumentedName(
        "botocore.session", "Session", "class", ("session_vars", "event_hooks", "include_builtin_handlers", "profile")
    ),
    UndocumentedName(
        _SESSION, "_register_builtin_handlers", "method", ("self", "events"), used_in=(f"{_SESSION}.__init__",)
    ),
    UndocumentedName(
        _SESSION, "_events", "attribute",
        used_in=(f"{_SESSION}.__init__", f"{_SESSION}._register_builtin_handlers", f"{_SESSION}.register"),
    ),
    UndocumentedName(_SESSION, "response_parser_factory", "text", used_in=(f"{_SESSION}.create_client",)),
    UndocumentedName(_HOOKS, "HierarchicalEmitter", "class"),
    UndocumentedName(
        _EMITTER, "_handlers", "attribute",
        used_in=tuple(
            f"{_EMITTER}.{each}" for each in ("__init__", "__copy__", "_emit", "_register_section", "unregister")
        ),
    ),
    UndocumentedName(
        _BASE_HOOKS, "_verify_accept_kwargs", "method", ("self", "func"),
        used_in=(f"{_BASE_HOOKS}._verify_and_register",),
    ),
    UndocumentedName(_HOOKS, "EventAliaser", "class", ("event_emitter", "event_aliases")),
    UndocumentedName(
        _ALIASER, "_alias_name_cache", "attribute", used_in=(f"{_ALIASER}.__init__", f"{_ALIASER}._alias_event_name")
    ),
    UndocumentedName(_HOOKS, "_PrefixTrie", "class", used_in=(f"{_EMITTER}.__init__",)),
    UndocumentedName(
        _TRIE, "_root", "attribute",
        used_in=tuple(f"{_TRIE}.{each}" for each in ("__init__", "append_item", "prefix_search", "remove_item")),
    ),
    UndocumentedName(
        _TRIE, "append_item", "method", ("self", "key", "value", "section"), used_in=(f"{_EMITTER}._register_section",)
    ),
    UndocumentedName(
        _TRIE, "remove_item", "method", ("self", "key", "value"), used_in=(f"{_EMITTER}.unregister",)
    ),
    UndocumentedName(_TRIE, "__copy__", "method", ("self",)),
    UndocumentedName(_TRIE, "children", "text", used_in=(f"{_TRIE}.append_item",)),
    UndocumentedName(_TRIE, "values", "text", used_in=(f"{_TRIE}.append_item",)),
    # response_parsers
    UndocumentedName(_PARSERS, "ResponseParserFactory", "class"),
    UndocumentedName(
        f"{_PARSERS}:ResponseParserFactory", "create_parser", "method", ("self", "protocol_name"),
        used_in=(_ENDPOINT,),
    ),
    UndocumentedName(_PARSERS, "ResponseParser", "class", ("timestamp_parser", "blob_parser")),
    UndocumentedName(_PARSER, "parse", "method", ("self", "response", "shape"), used_in=(_ENDPOINT,)),
    UndocumentedName(_PARSER, "KNOWN_LOCATIONS", "value", used_in=(f"{_XML_PARSER}._handle_structure",)),
    UndocumentedName(_PARSER, "_parse_shape", "method", _READING, used_in=(f"{_XML_PARSER}._handle_structure",)),
    UndocumentedName(_PARSER, "_handle_", "text", used_in=(f"{_PARSER}._parse_shape",)),
    UndocumentedName(_PARSERS, "ResponseParserError", "value"),
    UndocumentedName(_PARSERS, "BaseXMLResponseParser", "class", ("timestamp_parser", "blob_parser")),
    UndocumentedName(
        _XML_PARSER, "_parse_xml_string_to_dom", "method", ("self", "xml_string"),
        used_in=(f"{_PARSERS}:QueryParser._do_error_parse", f"{_PARSERS}:RestXMLParser._initial_body_parse"),
    ),
    UndocumentedName(_XML_PARSER, "_node_tag", "method", ("self", "node"), used_in=(f"{_XML_PARSER}._handle_map",)),
    UndocumentedName(_XML_PARSER, "_handle_structure", "method", _READING),
    UndocumentedName(_XML_PARSER, "_handle_string", "method", ("self", "shape", "node_or_string")),
    UndocumentedName(
        _XML_PARSER, "_member_key_name", "method", ("self", "shape", "member_name"),
        used_in=(f"{_XML_PARSER}._handle_structure",),
    ),
    UndocumentedName("botocore.utils", "parse_timestamp", "function", ("value",)),
)  # fmt: skip


def _found(place: str) -> Any:
    module, _, path = place.partition(":")
    found: Any = import_module(module)
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
    return found


def _words_in(function: FunctionType, kind: Kind) -> set[str]:
    codes = [*_codes(function)]
    if kind == "text":
        return {each for code in codes for each in code.co_consts if isinstance(each, str)}
    return {each for code in codes for each in code.co_names}


def _codes(function: FunctionType) -> Iterator[CodeType]:
    """Yield the code of a function, and of the function that a decorator has put into it."""
    yield function.__code__
    for cell in function.__closure__ or ():
        if isinstance(cell.cell_contents, FunctionType):
            yield from _codes(cell.cell_contents)
