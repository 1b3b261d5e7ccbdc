"""Which module imports which, read from the syntax tree: circles, floors and rooms."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    #: The dotted name of each module, and of what it imports; a package's own name means its ``__init__``.
    Graph = Mapping[str, AbstractSet[str]]


def modules_of(package: Path) -> dict[str, Path]:
    """Return the file of each module of a package, by dotted name."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def import_graph(package: Path) -> dict[str, set[str]]:
    """Return every import of the package's own modules: at the top, inside functions, and for types only.

    ``from package.x import y`` points at the module ``package.x.y`` if there is one, else at ``package.x``. What Python
    imports on the way, the ``__init__`` of each folder, is left out.
    """
    modules = modules_of(package)
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        folder = module if path.name == "__init__.py" else module.rpartition(".")[0]
        named = _named_imports(ast.parse(path.read_bytes()), folder)
        graph[module] = {found for base, name in named if (found := _module(base, name, modules))} - {module}
    return graph


def _named_imports(tree: ast.AST, folder: str) -> Iterator[tuple[str, str]]:
    """Return each imported module with the name taken from it; relative ones are made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = folder.split(".")[: -(node.level - 1) or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((base, alias.name) for alias in node.names)


def _module(base: str, name: str, modules: Mapping[str, Path]) -> str:
    return next((found for found in (f"{base}.{name}", base) if found in modules), "")


def rooms(graph: Graph, folder: str) -> dict[str, set[str]]:
    """Return the graph between the direct children of a folder, each package among them as one.

    The folder's own ``__init__`` is a room under the folder's name.
    """
    prefix = f"{folder}."

    def room(module: str) -> str:
        if module == folder:
            return folder
        return prefix + module.removeprefix(prefix).partition(".")[0] if module.startswith(prefix) else ""

    merged: dict[str, set[str]] = {}
    for module, imported in graph.items():
        if here := room(module):
            merged.setdefault(here, set()).update({room(other) for other in imported} - {here, ""})
    return merged


def circles(graph: Graph) -> list[list[str]]:
    """Return each group of modules that import each other, directly or through others."""
    return [sorted(group) for group in _groups(graph) if len(group) > 1]


def floors(graph: Graph) -> int:
    """Return the number of modules on the longest way down, where a circle counts as one module."""
    groups = _groups(graph)
    group_of = {module: group for group in groups for module in group}
    below = {
        group: {group_of[other] for module in group for other in graph[module] if other in group_of} - {group}
        for group in groups
    }
    height: dict[frozenset[str], int] = {}
    for group in TopologicalSorter(below).static_order():
        height[group] = 1 + max((height[lower] for lower in below[group]), default=0)
    return max(height.values(), default=0)


def _groups(graph: Graph) -> list[frozenset[str]]:
    """Return the strongly connected components, in the order of their first names."""
    reach = {module: _reachable(graph, module) for module in graph}
    groups = {frozenset({module, *(other for other in reach[module] if module in reach[other])}) for module in graph}
    return sorted(groups, key=min)


def _reachable(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = {other for other in graph[waiting.pop()] if other in graph} - found
        found |= new
        waiting += new
    return found
