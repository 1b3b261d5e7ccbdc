"""What the package defines: modules, their names, classes and the members of these, read from the syntax tree."""

from __future__ import annotations

import ast
import builtins
import importlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.architecture.import_graph import modules_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
#: Statements whose bodies belong to the scope that they are in.
BLOCKS = (ast.If, ast.Try, ast.With, ast.For)
CLASS = re.compile(r"_?[A-Z]\w*[a-z]")


@dataclass
class Class:
    """A class: what is defined in it or assigned to ``self``, and the bases as they are written."""

    members: set[str]
    bases: list[str]


@dataclass
class Module:
    """A module: its classes (a nested one as ``Outer.Inner``), where its imports come from, and its other names."""

    classes: dict[str, Class] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class Definitions:
    """Answers whether a name exists in a package, as a full name or as a short one that a reader of a module sees."""

    def __init__(self, package: Path) -> None:
        self.package = package.name
        self.modules = {name: _module(ast.parse(path.read_bytes())) for name, path in modules_of(package).items()}
        self._full_names = set(self.modules)
        for name, module in self.modules.items():
            self._full_names |= {f"{name}.{defined}" for defined in module.names}
            for class_, definition in module.classes.items():
                self._full_names |= {f"{name}.{class_}.{member}" for member in definition.members}

    def __contains__(self, name: str) -> bool:
        """Whether a full name such as ``package.module.Class.member`` exists."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            if (module := ".".join(parts[:length])) in self.modules:
                return length == len(parts) or self._in_module(module, parts[length:])
        return _exists_outside(parts)

    @property
    def short_names(self) -> set[str]:
        """The names of modules and classes, without what they are in."""
        return {name.rpartition(".")[2] for name in self.modules}.union(
            *(found.classes for found in self.modules.values())
        )

    def ends_with(self, ending: str) -> bool:
        """Whether some full name ends with these parts."""
        return any(name.endswith(f".{ending}") for name in self._full_names)

    def in_part(self, part: str, name: str) -> bool:
        """Whether anything in a part of the package, at any depth, has this name."""
        prefix = f"{self.package}.{part}."
        return any(known.startswith(prefix) and name in known.split(".") for known in self._full_names)

    def visible(self, name: str, module: str, classes: Sequence[str] = ()) -> bool:
        """Whether a name exists for a reader of a module, inside these nested classes of it.

        That is, in a class, in the module, in what it imports, in Python, or as a full name. A class, a member of a
        named class, and what begins with a dot, as in Sphinx, may be anywhere.
        """
        if name.startswith("."):
            return self.ends_with(name[1:])
        parts = name.split(".")
        if CLASS.match(name) and self.ends_with(name):
            return True
        scopes = (".".join(classes[:length]) for length in range(len(classes), 0, -1))
        return (
            any(self._in_class(module, scope, parts) for scope in scopes)
            or self._in_module(module, parts)
            or name in self
        )

    def _in_module(self, module: str, parts: Sequence[str]) -> bool:
        first, *rest = parts
        definition = self.modules[module]
        if first in definition.classes:
            return not rest or self._in_class(module, first, rest)
        if first in definition.imports:
            return ".".join([definition.imports[first], *rest]) in self
        return first in definition.names

    def _in_class(self, module: str, name: str, parts: Sequence[str]) -> bool:
        classes = self.modules[module].classes
        if len(parts) > 1 and (inner := f"{name}.{parts[0]}") in classes:
            return self._in_class(module, inner, parts[1:])
        found = classes.get(name, Class(set(), []))
        inherited = (".".join([base, *parts]) for base in found.bases)
        return parts[0] in found.members or any(self.visible(name, module) for name in inherited)


def _exists_outside(parts: Sequence[str]) -> bool:
    """Whether a name is built into Python, or dotted and of another library or of Python's."""
    for length in range(len(parts) if len(parts) > 1 else 0, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        return _has(found, parts[length:])
    return _has(builtins, parts)


def _has(thing: Any, parts: Iterable[str]) -> bool:
    for part in parts:
        if not hasattr(thing, part):
            return False
        thing = getattr(thing, part)
    return True


def _module(tree: ast.Module) -> Module:
    module = Module(names=set(_defined(tree.body)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                module.imports[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom):
            module.imports |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    _add_classes(module, tree.body, "")
    return module


def _add_classes(module: Module, body: Iterable[ast.stmt], prefix: str) -> None:
    for node in _statements(body):
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
            module.classes[prefix + node.name] = Class({*_defined(node.body), *_set_on_self(node)}, bases)
            _add_classes(module, node.body, f"{prefix}{node.name}.")


def _defined(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Return the functions, classes and variables that statements define in their own scope."""
    for node in _statements(body):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from (name.id for name in ast.walk(node) if isinstance(name, ast.Name) and _is_stored(name))


def _set_on_self(node: ast.ClassDef) -> Iterator[str]:
    for found in ast.walk(node):
        if isinstance(found, ast.Attribute) and isinstance(found.value, ast.Name) and _is_stored(found):
            yield from [found.attr] if found.value.id == "self" else []


def _is_stored(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Return the statements of a scope, those within ``if`` and ``try`` among them."""
    for node in body:
        yield node
        if isinstance(node, BLOCKS):
            inner = (part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt))
            handled = (part for handler in getattr(node, "handlers", ()) for part in handler.body)
            yield from _statements([*inner, *handled])
