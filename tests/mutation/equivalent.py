"""Reads ``equivalent.yaml``, the list of the mutants that no test can tell from the code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.mutation.mutants import Key

if TYPE_CHECKING:
    from collections.abc import Collection


def listed(modules: Collection[str]) -> dict[Key, str]:
    """Return the reason of each mutant of the list that is of one of some modules."""
    entries = yaml.safe_load(Path(__file__).with_name("equivalent.yaml").read_text("utf-8")) or []
    return {
        Key(entry["module"], entry["function"], entry["line"], becomes): entry["why"]
        for entry in entries
        for becomes in entry["becomes"]
        if entry["module"] in modules
    }
