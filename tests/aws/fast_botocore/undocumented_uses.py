"""Finds, in the syntax trees of modules, the undocumented names of botocore that they use."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

#: The modules in botocore's reference, https://botocore.amazonaws.com/v1/documentation/api/latest/reference/, and that
#: of its exceptions.
_DOCUMENTED = {"botocore", *(f"botocore.{name}" for name in ("config", "exceptions", "loaders", "session"))}
#: What botocore's own docstrings ask subclasses to define.
_EXTENSION_POINTS = {("CredentialProvider", "METHOD"), ("CredentialProvider", "load")}
#: The keys of a response that the docstring of ``ResponseParser.parse`` names.
_DOCUMENTED_TEXTS = {"body", "headers", "status_code"}
#: What every class, or every named tuple, has.
_USUAL = {"__init__", "__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "_replace", "_asdict"}


def undocumented_uses(module: ModuleType, *, fast: bool) -> set[str]:
    """Return the undocumented names of botocore that a module uses.

    Args:
        module: The module.
        fast: Whether it is one of the fast parts. There, a name without an underscore is undocumented as well, if it is
            inherited, overridden, subclassed, set on an object, or imported from outside botocore's reference.
    """
    tree = ast.parse(inspect.getsource(module))
    found = {*_imported(tree, fast=fast), *_of_other_objects(tree, fast=fast)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and inspect.isclass(kind := vars(module).get(node.name)):
            bases = [each for each in kind.__mro__[1:] if each.__module__.partition(".")[0] == "botocore"]
            found.update(_overridden(kind, bases))
            if fast:
                found.update(each.__name__ for each in kind.__bases__ if each in bases)
            if bases:
                found.update(_inherited(node, bases), _texts(node))
    return found - _USUAL - _DOCUMENTED_TEXTS


def _imported(tree: ast.AST, *, fast: bool) -> Iterator[str]:
    for node in _walked_without_types(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "botocore":
            outside = fast and node.module not in _DOCUMENTED
            yield from (each.name for each in node.names if outside or each.name.startswith("_"))


def _walked_without_types(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, but not the imports that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            yield node
            yield from _walked_without_types(node)


def _of_other_objects(tree: ast.AST, *, fast: bool) -> Iterator[str]:
    """Yield private attributes of botocore, and attributes that are set, of objects other than ``self``."""
    own = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.ClassDef)}
    own |= {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute) and _is_self(each.value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not _is_self(node.value) and node.attr not in own:
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            if (private and node.attr in _private_words()) or (fast and isinstance(node.ctx, ast.Store)):
                yield node.attr
        if fast and isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "register_component":
            yield from (str(each.value) for each in node.args[:1] if isinstance(each, ast.Constant))


def _overridden(kind: type, bases: list[type]) -> Iterator[str]:
    for name in vars(kind):
        owner = next((base for base in bases if name in vars(base)), None)
        if owner and (owner.__name__, name) not in _EXTENSION_POINTS:
            yield name


def _inherited(tree: ast.ClassDef, bases: list[type]) -> Iterator[str]:
    """Yield the attributes of ``self`` or ``super()`` that a base class of botocore has or sets."""
    words = set[str]().union(*(_words_of(base) for base in bases))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (_is_self(node.value) or _is_super(node.value)) and node.attr in words:
            yield node.attr


def _texts(tree: ast.ClassDef) -> Iterator[str]:
    """Yield the texts by which botocore's dictionaries are read, and those from which names of methods are made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            yield from [node.slice.value] if isinstance(node.slice.value, str) else []
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getattr" and _is_self(node.args[0]):
            text = node.args[1].values[0] if isinstance(node.args[1], ast.JoinedStr) else node.args[1]
            yield from [str(text.value)] if isinstance(text, ast.Constant) else []


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "super"


@cache
def _words_of(base: type) -> set[str]:
    """Return the names that a class of botocore defines, and the attributes that its methods use of ``self``."""
    tree = ast.parse(inspect.getsource(sys.modules[base.__module__]))
    [found] = [each for each in ast.walk(tree) if isinstance(each, ast.ClassDef) and each.name == base.__name__]
    used = {each.attr for each in ast.walk(found) if isinstance(each, ast.Attribute) and _is_self(each.value)}
    return used | set(vars(base))


@cache
def _private_words() -> set[str]:
    """Return the names in botocore that begin with one underscore."""
    found: set[str] = set()
    for path in Path(botocore.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name: Any = getattr(node, "attr", getattr(node, "name", ""))
            if isinstance(name, str) and name.startswith("_") and not name.startswith("__"):
                found.add(name)
    return found


def modules_of_the_package() -> Iterator[ModuleType]:
    """Yield every module of the package whose text contains an underscore after a dot, or the word botocore."""
    root = Path(__file__).parents[3]
    for path in sorted((root / "cloudops_nb").rglob("*.py")):
        text = path.read_text("utf-8")
        if "botocore" in text or "._" in text:
            yield import_module(".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"))
