"""Stands in for verdicts where a test looks at none."""

from __future__ import annotations

from typing import Any

from cloudops_nb.model import IamPermissions


class Unjudged:
    """Says nothing about any action."""

    def prepare(self) -> None:
        """There is nothing to be read."""

    def permissions(self, *_: Any, **__: Any) -> IamPermissions:
        return IamPermissions()
