"""Makes the mutants of a module with the operators of Cosmic Ray."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
#: Values, graph, grammar and binding: what decides which steps of a document run, and on what.
MODULES = (
    "cloudops_nb.ssm.values",
    "cloudops_nb.ssm.control_flow",
    "cloudops_nb.ssm.step_graph",
    "cloudops_nb.ssm.jumps",
    "cloudops_nb.ssm.grammar",
    "cloudops_nb.ssm.fields",
    "cloudops_nb.ssm.loader",
    "cloudops_nb.request.bind",
)
#: They need arguments that fit one program.
_WITH_ARGUMENTS = frozenset({"core/VariableInserter", "core/VariableReplacer"})
#: A comparison becomes another of its own kind. A text that is compared by order, or by identity, mostly shows what
#: Python does with texts.
_COMPARISONS = ({"Eq", "NotEq"}, {"Is", "IsNot"}, {"Lt", "LtE", "Gt", "GtE"})


@dataclass(frozen=True)
class Key:
    """What tells a mutant from others, whatever lines come or go above it."""

    module: str
    function: str
    line: str
    becomes: str


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    Attributes:
        key: Its module, its function, and its line before and after.
        lines: The numbers of the lines of the statement that is changed.
        source: The module's text with the change.
    """

    key: Key
    lines: range
    source: str


def path_of(module: str) -> Path:
    """Return the file of a module."""
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Yield the mutants of a module's text; those that differ from it or another in type hints alone are left out."""
    tree, nodes = ast.parse(source), list(ast_nodes(get_ast(source)))
    seen = {"", _program(source)}
    for name in operator_names():
        if not _is_used(name):
            continue
        operator = get_operator(name)()
        made = sum(1 for node in nodes for _ in operator.mutation_positions(node))
        for changed in (mutate_code(source, operator, each) for each in range(made)):
            if (program := _program(changed)) not in seen:
                seen.add(program)
                yield _mutant(module, source, changed, tree)


def _is_used(operator: str) -> bool:
    name, _, pair = operator.partition("_")
    is_one_kind = any(kind.issuperset(pair.split("_")) for kind in _COMPARISONS)
    return operator not in _WITH_ARGUMENTS and (name != "core/ReplaceComparisonOperator" or is_one_kind)


class _Unhinted(ast.NodeTransformer):
    """Removes type hints and what is imported for them; no module here reads them as it runs."""

    def visit_If(self, node: ast.If) -> ast.If | None:
        self.generic_visit(node)
        return None if "TYPE_CHECKING" in ast.unparse(node.test) else node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        node.annotation = ast.Constant(None)
        self.generic_visit(node)
        return node


def _program(source: str) -> str:
    """Return what tells a program from others; an empty text if the source is no program."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    return ast.dump(_Unhinted().visit(tree))


def _mutant(module: str, source: str, changed: str, tree: ast.Module) -> Mutant:
    before, after = source.splitlines(), changed.splitlines()
    # From the end, because a decorator goes together with the empty lines before it.
    behind = next(number for number in count(1) if before[-number] != after[-number])
    number, becomes = len(before) - behind, after[-behind].strip() if len(before) == len(after) else ""
    functions, lines = list[str](), range(0)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and number + 1 in (whole := _lines(node)):
            body = getattr(node, "body", [])
            lines = range(whole.start, body[0].lineno) if body else whole
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                functions.append(node.name)
    key = Key(module, ".".join(functions), before[number].strip(), becomes)
    return Mutant(key, lines, changed)


def _lines(node: ast.stmt) -> range:
    """Return the lines of a statement, those of its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return range(min([node.lineno, *(each.lineno for each in decorators)]), (node.end_lineno or node.lineno) + 1)
