from __future__ import annotations

from pathlib import Path

import pytest

import cloudops_nb
from tests.architecture.import_graph import circles, import_graph, modules_of, rooms

pytestmark = pytest.mark.fast

PACKAGE = Path(cloudops_nb.__file__).parent
FOLDERS = sorted({module.rpartition(".")[0] for module in modules_of(PACKAGE)} - {""})


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return import_graph(PACKAGE)


def fail_at_circles(graph) -> None:
    """Fail with a line for each module in a circle: what it imports of the same circle."""
    lines = []
    for circle in circles(graph):
        lines += [f"a circle of {len(circle)}:"]
        lines += [f"  {module} imports {', '.join(sorted(graph[module] & set(circle)))}" for module in circle]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def test_no_files_import_each_other_in_a_circle(graph):
    fail_at_circles(graph)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_children_of_a_folder_import_each_other_in_a_circle(folder, graph):
    fail_at_circles(rooms(graph, folder))
