"""Finds the parts of ``fast_botocore`` in a client of botocore."""

from __future__ import annotations

from types import MethodType
from typing import Any

_FAST = "cloudops_nb.aws.fast_botocore"


def fast_parts_of(client: Any) -> set[str]:
    """Return the names of the classes in ``fast_botocore`` whose objects a client refers to, directly or not."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting = [client]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        kinds = {kind.__name__ for kind in type(each).__mro__ if kind.__module__.startswith(_FAST)}
        found |= kinds
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list | tuple | set | frozenset):
            waiting.extend(each)
        elif isinstance(each, MethodType):
            waiting.append(each.__self__)
        elif not isinstance(each, type) and type(each).__module__.partition(".")[0] in ("botocore", "cloudops_nb"):
            waiting.extend(getattr(each, "__dict__", {}).values())
    return found
