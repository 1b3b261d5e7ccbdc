"""botocore's event hooks, with the work that every new client repeats done once.

A client copies the tree of all handlers, translates the name of each event it emits, and checks that each of its own
handlers takes keywords. A scan creates hundreds of clients, most of which make one call.

The overridden names are private to botocore. If a later version no longer uses them, clients are created more slowly
and behave the same.
"""

from __future__ import annotations

from inspect import CO_VARKEYWORDS
from typing import Any

from botocore import hooks
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.session import Session

# Private to botocore; without it the emitter keeps botocore's own store of handlers, see QuickEmitter.
_Trie: Any = getattr(hooks, "_PrefixTrie", object)
#: Current names of events by the names under which they are emitted: about a dozen per operation in use.
_ALIASES: dict[str, str] = {}


class QuickSession(Session):
    """A botocore session whose clients use these hooks.

    Args:
        profile: The profile's name.
    """

    def __init__(self, profile: str | None = None) -> None:
        super().__init__(profile=profile, event_hooks=QuickEmitter())

    # botocore's Session.__init__ sets _events to an EventAliaser around the given emitter and calls this method with it
    # before it uses it otherwise; there is no parameter for the aliaser itself.
    def _register_builtin_handlers(self, events: Any) -> None:
        self._events = events = QuickAliaser(self._original_handler)
        super()._register_builtin_handlers(events)


class QuickEmitter(HierarchicalEmitter):
    """A botocore emitter whose copies share their handlers until one of them registers another."""

    def __init__(self) -> None:
        super().__init__()
        # HierarchicalEmitter keeps its handlers in _handlers, a _PrefixTrie, which copy.copy copies for each client. If
        # botocore keeps them otherwise, the emitter stays as botocore made it.
        if type(getattr(self, "_handlers", None)) is _Trie:
            self._handlers = _SharingTrie()

    # botocore calls this for each handler registered, and raises if the handler takes no keywords; it inspects the
    # whole signature. The flag of a plain function or method says the same; other callables are left to botocore.
    def _verify_accept_kwargs(self, func: Any) -> Any:
        code = getattr(getattr(func, "__func__", func), "__code__", None)
        if code is None or not code.co_flags & CO_VARKEYWORDS:
            return super()._verify_accept_kwargs(func)
        return True


class QuickAliaser(EventAliaser):
    """A botocore translator of event names whose copies share the names that they have translated."""

    def __init__(self, event_emitter: Any, event_aliases: Any = None) -> None:
        super().__init__(event_emitter, event_aliases)
        # EventAliaser reads and fills this dictionary in _alias_event_name, and starts each copy with an empty one. All
        # aliasers here use the same table of aliases, so the translations are the same.
        self._alias_name_cache = _ALIASES


class _SharingTrie(_Trie):
    """Handlers by the parts of event names; a copy shares every node until one of the two changes it.

    As with botocore's own, no other thread may use it while it is changed or copied.
    """

    # _PrefixTrie keeps a tree of nodes {"chunk", "children", "values"} in _root, changes it only in append_item and
    # remove_item, and copies all of it in __copy__.

    def __init__(self) -> None:
        super().__init__()
        self._root: dict[str, Any]
        self._own: set[int] = set()

    def append_item(self, key: str, *arguments: Any, **keywords: Any) -> None:
        self._own_path(key)
        super().append_item(key, *arguments, **keywords)

    def remove_item(self, key: str, value: Any) -> None:
        self._own_path(key)
        super().remove_item(key, value)

    def __copy__(self) -> _SharingTrie:
        copied = type(self)()
        vars(copied).update(_root=self._root)
        self._own = set()
        return copied

    def _own_path(self, key: str) -> None:
        """Replace the existing nodes on the path to a key by copies that only this object has."""
        self._root = node = self._own_node(self._root)
        for part in key.split("."):
            child = node["children"].get(part)
            if child is None:
                return
            node["children"][part] = node = self._own_node(child)

    def _own_node(self, node: dict[str, Any]) -> dict[str, Any]:
        if id(node) in self._own:
            return node
        values = node["values"]
        owned = {**node, "children": dict(node["children"]), "values": values and type(values)(*map(list, values))}
        self._own.add(id(owned))
        return owned
