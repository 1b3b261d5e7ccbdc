"""The bundled resource types by name, read when a test first asks: a broken declaration stops no collection."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.specs.model import ResourceSpec


@cache
def bundled_by_type() -> Mapping[str, ResourceSpec]:
    """Return every bundled declaration by its resource type."""
    return {spec.resource_type: spec for spec in bundled_specs()}


def bundled_spec(resource_type: str) -> ResourceSpec:
    """Return the bundled declaration of a resource type."""
    return bundled_by_type()[resource_type]
