"""What tags say about who else owns a resource."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cloudops_nb.declarations.tables import bundled_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def managed_by(tags: Mapping[str, str]) -> Sequence[str]:
    """Return each controller that the tags name, as ``CloudFormation stack web``; such a one may undo a change."""
    found = {
        f"{controller} {value}".strip()
        for prefix, controller in _controllers().items()
        for key, value in tags.items()
        if key == prefix or (prefix.endswith((":", "/")) and key.startswith(prefix))
    }
    return tuple(sorted(found))


@cache
def _controllers() -> dict[str, str]:
    loaded: dict[str, str] = bundled_table(__package__, "managed_by.yaml")
    return loaded
