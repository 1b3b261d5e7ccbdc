"""What tags say about who else owns a resource."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import yaml

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
    text = (resources.files("cloudops_nb.execution") / "managed_by.yaml").read_text(encoding="utf-8")
    loaded: dict[str, str] = yaml.load(text, Loader=yaml.CSafeLoader)
    return loaded
