"""Finds documents and their side files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
ANSWERS = "answers"


@dataclass(frozen=True, slots=True)
class Given:
    """What a side file says."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    store: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A document's file name, its text, and what its side file says."""

    name: str
    text: str
    given: Given = field(default_factory=Given)

    @property
    def stem(self) -> str:
        """The name without its suffix: what other documents call it."""
        return self.name.rpartition(".")[0] or self.name


def sources_in(folders: Sequence[Path]) -> Iterator[Source]:
    """Yield every document under some folders, in the order of their paths; text that is not UTF-8 is replaced."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.parent.name != ANSWERS and path.is_file():
                yield Source(path.name, path.read_text(encoding="utf-8", errors="replace"), _given(path))


def _given(path: Path) -> Given:
    side = path.parent / ANSWERS / f"{path.stem}.yaml"
    return Given(**(yaml.safe_load(side.read_text(encoding="utf-8")) or {})) if side.is_file() else Given()
