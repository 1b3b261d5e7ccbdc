"""The rooms in which tests must take every branch: nothing in them escapes the measurement of ``make cover``."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from tests.architecture.sources import ROOT

pytestmark = pytest.mark.fast

COVERAGE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["coverage"]
ROOMS = COVERAGE["run"]["source"]
#: Plan and approval, egress and binding, journal, encryption.
NEEDED = {
    "cloudops_nb/execution",
    "cloudops_nb/request",
    "cloudops_nb/server",
    "cloudops_nb/storage/encryption",
    "cloudops_nb/storage/journal",
}
MODULES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
#: Without the prefix that makes coverage match them in every folder that a child process may run in.
EXEMPT = [pattern.removeprefix("*/") for pattern in COVERAGE["run"]["omit"]]
IGNORED = ("exclude_lines", "exclude_also", "partial_branches", "partial_also")
TYPES_ALONE = re.compile(r"if TYPE_CHECKING:|class \w+\(Protocol\):")


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def is_protocol(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases)


def is_for_types(node: ast.stmt) -> bool:
    """Whether a statement of a module does nothing when it runs."""
    typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return typing or is_docstring(node) or is_protocol(node) or isinstance(node, ast.Import | ast.ImportFrom)


def test_the_rooms_that_decide_what_leaves_what_runs_and_what_is_recorded_are_gated() -> None:
    assert set(ROOMS) >= NEEDED
    assert [room for room in ROOMS if not (ROOT / room).is_dir()] == []
    assert COVERAGE["run"]["branch"]
    assert COVERAGE["report"]["fail_under"] == 100


def test_the_command_runs_the_tests_of_each_gated_room() -> None:
    command = re.search(r"^GATED = \$\(addprefix tests/,(.*)\)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert command
    assert command[1].split() == [room.removeprefix("cloudops_nb/") for room in ROOMS]


@pytest.mark.parametrize("path", EXEMPT)
def test_only_a_module_of_protocols_is_exempt(path: str) -> None:
    rest = [node.lineno for node in ast.parse((ROOT / path).read_text("utf-8")).body if not is_for_types(node)]
    assert rest == [], f"{path} runs code in these lines: remove it from omit in pyproject.toml"


def test_no_gated_module_asks_coverage_to_look_away() -> None:
    assert [path for path in MODULES if re.search(r"pragma:?\s*no", path.read_text("utf-8"), re.IGNORECASE)] == []


def test_the_exclusions_match_nothing_but_what_is_for_types() -> None:
    patterns = [re.compile(pattern) for name in IGNORED for pattern in COVERAGE["report"].get(name, ())]
    lines = [line for path in MODULES for line in path.read_text("utf-8").splitlines()]
    excluded = {line for line in lines if any(pattern.search(line) for pattern in patterns)}
    assert excluded
    assert {line for line in excluded if not TYPES_ALONE.fullmatch(line)} == set()


def test_no_protocol_in_a_gated_room_holds_code_that_the_exclusion_would_hide() -> None:
    hiding = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and is_protocol(node)
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in method.body
        if not is_docstring(inner)
    ]
    assert hiding == []
