"""botocore's event hooks, with what each new client works out again and again done once.

A client copies the tree of all handlers there are, looks up what each of its events is called now, and whether each of
its own handlers takes keywords. A scan makes hundreds of clients, most of which make one call.

What is replaced here botocore does not promise to keep: without it, clients are made more slowly, and right.
"""

from __future__ import annotations

from inspect import CO_VARKEYWORDS
from typing import Any

from botocore import hooks
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.session import Session

_Trie: Any = getattr(hooks, "_PrefixTrie", object)
#: What events are called now by what they are emitted as: as many as there are operations in use, times a dozen.
_ALIASES: dict[str, str] = {}


class QuickSession(Session):
    """botocore's own session, whose clients have these hooks.

    Args:
        profile: The profile's name.
    """

    def __init__(self, profile: str | None = None) -> None:
        super().__init__(profile=profile, event_hooks=QuickEmitter())

    def _register_builtin_handlers(self, events: Any) -> None:
        self._events = events = QuickAliaser(self._original_handler)
        super()._register_builtin_handlers(events)


class QuickEmitter(HierarchicalEmitter):
    """botocore's own emitter; its copies share their handlers until one gets another."""

    def __init__(self) -> None:
        super().__init__()
        if type(getattr(self, "_handlers", None)) is _Trie:
            self._handlers = _SharingTrie()

    def _verify_accept_kwargs(self, func: Any) -> Any:
        code = getattr(getattr(func, "__func__", func), "__code__", None)
        if code is None or not code.co_flags & CO_VARKEYWORDS:
            return super()._verify_accept_kwargs(func)
        return True


class QuickAliaser(EventAliaser):
    """botocore's own translator of events' names; every copy knows what another has looked up."""

    def __init__(self, event_emitter: Any, event_aliases: Any = None) -> None:
        super().__init__(event_emitter, event_aliases)
        self._alias_name_cache = _ALIASES


class _SharingTrie(_Trie):
    """Handlers by the parts of events' names; a copy shares every node until one of the two writes to it.

    Not for several threads at once while it is written to or copied, no more than botocore's own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._root: dict[str, Any]
        self._own: set[int] = set()

    def append_item(self, key: str, *arguments: Any, **keywords: Any) -> None:
        self._take(key)
        super().append_item(key, *arguments, **keywords)

    def remove_item(self, key: str, value: Any) -> None:
        self._take(key)
        super().remove_item(key, value)

    def __copy__(self) -> _SharingTrie:
        copied = type(self)()
        vars(copied).update(_root=self._root)
        self._own = set()
        return copied

    def _take(self, key: str) -> None:
        """Have nodes of our own on the way to a key, as far as there are any."""
        self._root = node = self._owned(self._root)
        for part in key.split("."):
            child = node["children"].get(part)
            if child is None:
                return
            node["children"][part] = node = self._owned(child)

    def _owned(self, node: dict[str, Any]) -> dict[str, Any]:
        if id(node) in self._own:
            return node
        values = node["values"]
        owned = {**node, "children": dict(node["children"]), "values": values and type(values)(*map(list, values))}
        self._own.add(id(owned))
        return owned
