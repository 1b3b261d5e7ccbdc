"""The figures of the package that its text alone gives."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tests.architecture.import_graph import circles, floors, import_graph, rooms
from tests.architecture.sources import sources_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.architecture.sources import Source

#: A module with fewer lines is often one function, which another module could hold.
SMALL_LINES = 45
#: Words that make prose read as a translation; plainer ones say the same.
WORDS = ("nobody", "lies", "stands", "anew", "beside", "whoever", "somebody", "meanwhile", "likewise")
YAML_LOADERS = {f"{kind}load{number}" for kind in ("", "safe_", "full_", "unsafe_") for number in ("", "_all")}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: The part whose rooms and floors are in the first table.
DEEPEST_PART = "scanner"


@dataclass(frozen=True)
class Figure:
    """One row: a name and its numbers, in the order that the name gives; empty if there is nothing to measure."""

    name: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        return " / ".join(f"{value:,.1f}".removesuffix(".0") for value in self.values) or "-"


def figures_of(package: Path) -> list[Figure]:
    """Measure a package."""
    sources, graph = sources_in(package), import_graph(package)
    functions = [node for source in sources for node in ast.walk(source.tree) if isinstance(node, FUNCTIONS)]
    sizes = [source.lines for source in sources]
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    return [
        Figure("modules / lines", (len(sources), sum(sizes))),
        Figure("module lines, median / p90 / max", (*_middle_and_high(sizes), max(sizes))),
        Figure("function lines, median / p90", _middle_and_high(lengths)),
        Figure("comments, % of lines", (_commented(sources),)),
        Figure("function name, median characters", (median(len(node.name) for node in functions),)),
        Figure(f"modules under {SMALL_LINES} lines", (len(small_modules(sources)),)),
        Figure(
            "module names / class names used twice or more",
            (len(repeated(_module_names(sources))), len(repeated(_class_names(sources)))),
        ),
        Figure(f"{DEEPEST_PART}: rooms / floors", rooms_and_floors(graph, f"{package.name}.{DEEPEST_PART}")),
        Figure("YAML table loaders written", (_yaml_loads(sources),)),
        Figure("import circles, type-only imports counted", (len(circles(graph)),)),
        *_word_rates(sources),
    ]


def parts_of(package: Path) -> dict[str, list[Figure]]:
    """Measure each part of a package by itself; the modules at the top are under its own name."""
    sources, graph = sources_in(package), import_graph(package)
    return {
        part or package.name: [
            Figure("comments, % of lines", (_commented([source for source in sources if source.part == part]),)),
            Figure("rooms / floors", rooms_and_floors(graph, f"{package.name}.{part}".removesuffix("."))),
        ]
        for part in sorted({source.part for source in sources})
    }


def rooms_and_floors(graph: dict[str, set[str]], folder: str) -> tuple[float, ...]:
    """Return how many children a folder has, and on how many floors; empty if there is no such folder."""
    between = rooms(graph, folder)
    return (len(between), floors(between)) if between else ()


def small_modules(sources: Iterable[Source]) -> list[str]:
    """Return the modules that are hardly more than a function, the smallest first; an ``__init__`` may be small."""
    small = [source for source in sources if source.lines < SMALL_LINES and source.path.name != "__init__.py"]
    return [f"{source.lines:3} {source.path}" for source in sorted(small, key=lambda source: source.lines)]


def repeated_names(sources: Sequence[Source]) -> list[str]:
    """Return the names that several modules or several classes have."""
    return [*repeated(_module_names(sources)), *repeated(_class_names(sources))]


def repeated(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _module_names(sources: Iterable[Source]) -> Iterator[str]:
    return (source.path.stem for source in sources if source.path.stem != "__init__")


def _class_names(sources: Iterable[Source]) -> Iterator[str]:
    return (node.name for source in sources for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef))


def _middle_and_high(numbers: Sequence[int]) -> tuple[float, float]:
    """Return the median, and the number that nine in ten stay under."""
    return median(numbers), sorted(numbers)[len(numbers) * 9 // 10]


def _commented(sources: Sequence[Source]) -> float:
    lines = sum(source.lines for source in sources)
    return 100 * sum(source.commented_lines for source in sources) / max(lines, 1)


def _word_rates(sources: Sequence[Source]) -> list[Figure]:
    words = Counter(word.lower() for source in sources for word in re.findall(r"\w+", source.prose))
    lines = sum(source.lines for source in sources)
    return [Figure(f'"{word}" in prose, per 10,000 lines', (10_000 * words[word] / lines,)) for word in WORDS]


def _yaml_loads(sources: Iterable[Source]) -> int:
    """Count the calls of PyYAML's loading functions: each is a loader of some table."""
    return sum(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr in YAML_LOADERS) == ("yaml", True)
        for source in sources
        for node in ast.walk(source.tree)
    )
