"""Replacements for botocore's event hooks that let clients share work which each client otherwise repeats.

A new client of botocore copies the tree of all event handlers, translates the name of each event that it emits, and
checks that each handler it registers accepts keywords. A scan creates hundreds of clients, and most make one call.

The overridden methods and attributes are private to botocore; :mod:`.undocumented` lists them.
"""

from __future__ import annotations

from copy import copy
from inspect import CO_VARKEYWORDS
from typing import Any

from botocore.hooks import EventAliaser, HierarchicalEmitter, _PrefixTrie
from botocore.session import Session

#: Maps the names under which events are emitted to their translations: about a dozen for each operation in use.
_ALIASES: dict[str, str] = {}


class QuickSession(Session):
    """A botocore session whose clients use the replacements in this module.

    Args:
        profile: The AWS profile; the default one if not given.
    """

    def __init__(self, profile: str | None = None) -> None:
        self._quick_emitter = QuickEmitter()
        super().__init__(profile=profile, event_hooks=self._quick_emitter)

    # botocore's Session.__init__ has a parameter for the emitter, but not for the aliaser around it. It sets _events to
    # an EventAliaser and then calls this method, so this method can replace the aliaser before it is used.
    def _register_builtin_handlers(self, events: Any) -> None:
        self._events = events = QuickAliaser(self._quick_emitter)
        super()._register_builtin_handlers(events)


class QuickEmitter(HierarchicalEmitter):
    """A botocore emitter whose copies share their handlers until one copy registers or removes a handler."""

    def __init__(self) -> None:
        super().__init__()
        # HierarchicalEmitter keeps its handlers in _handlers, a _PrefixTrie, and copies it for each client.
        self._handlers = _SharingTrie()

    # botocore calls this for each handler that is registered. Its own version inspects the handler's whole signature,
    # and raises if the handler does not accept keywords. For a plain function or method, a flag of the code object is
    # enough.
    def _verify_accept_kwargs(self, func: Any) -> Any:
        code = getattr(getattr(func, "__func__", func), "__code__", None)
        if code is None or not code.co_flags & CO_VARKEYWORDS:
            return super()._verify_accept_kwargs(func)
        return True


class QuickAliaser(EventAliaser):
    """Translates event names as botocore does; its copies share the names that they have translated."""

    def __init__(self, event_emitter: Any, event_aliases: Any = None) -> None:
        super().__init__(event_emitter, event_aliases)
        # EventAliaser caches translations in this dictionary, and each copy starts with an empty one. Sharing it is
        # safe, because all aliasers use the same table of aliases.
        self._alias_name_cache = _ALIASES


class _SharingTrie(_PrefixTrie):
    """A tree that keeps handlers under the parts of event names; a copy shares each node until either tree changes it.

    As with botocore's class, other threads must not use a tree while it is changed or copied.
    """

    # _PrefixTrie has a tree of nodes {"chunk", "children", "values"} in _root. Only append_item and remove_item change
    # the tree, and its own __copy__ copies all nodes.

    def __init__(self, root: dict[str, Any] | None = None) -> None:
        super().__init__()
        if root is not None:
            self._root = root
        # The ids of the nodes that only this object has.
        self._own: set[int] = set()

    def append_item(self, key: str, *arguments: Any, **keywords: Any) -> None:
        self._own_path(key)
        super().append_item(key, *arguments, **keywords)

    def remove_item(self, key: str, value: Any) -> None:
        self._own_path(key)
        super().remove_item(key, value)

    def __copy__(self) -> _SharingTrie:
        copied = type(self)(self._root)
        # From now on both objects share every node.
        self._own = set()
        return copied

    def _own_path(self, key: str) -> None:
        """Replace the shared nodes on the path to a key by copies that only this object has."""
        self._root = node = self._own_node(self._root)
        for part in key.split("."):
            child = node["children"].get(part)
            if child is None:
                return
            node["children"][part] = node = self._own_node(child)

    def _own_node(self, node: dict[str, Any]) -> dict[str, Any]:
        if id(node) in self._own:
            return node
        owned = {**node, "children": dict(node["children"]), "values": copy(node["values"])}
        self._own.add(id(owned))
        return owned
