from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.architecture.import_graph import circles, floors, import_graph, rooms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

pytestmark = pytest.mark.fast


@pytest.fixture
def package(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write a package ``shop`` from the text of each of its files."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "shop" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "shop"

    return write


@pytest.mark.parametrize(
    ("text", "imported"),
    [
        ("from shop.stock import shelf", {"shop.stock.shelf"}),
        ("from shop.stock import Label", {"shop.stock"}),
        ("from shop.stock import *", {"shop.stock"}),
        ("from shop.stock.shelf import Board, Nail", {"shop.stock.shelf"}),
        ("import shop.stock.shelf as board", {"shop.stock.shelf"}),
        ("from . import till", {"shop.till"}),
        ("from .stock import shelf", {"shop.stock.shelf"}),
        ("def late():\n    from shop import till", {"shop.till"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.till import Coin", {"shop.till"}),
        ("import json\nfrom shopping import till", set()),
        ("from shop import counter", set()),
    ],
)
def test_an_import_points_at_the_module_that_it_names(package, text, imported):
    files = {"__init__.py": "", "counter.py": text, "till.py": "", "stock/__init__.py": "", "stock/shelf.py": ""}
    assert import_graph(package(files))["shop.counter"] == imported


def test_a_relative_import_starts_at_the_folder_that_holds_the_file(package):
    files = {
        "till.py": "",
        "stock/__init__.py": "from . import shelf",
        "stock/shelf.py": "from .. import till\nfrom ..till import Coin\nfrom . import Label",
    }
    graph = import_graph(package(files))
    assert graph["shop.stock"] == {"shop.stock.shelf"}
    assert graph["shop.stock.shelf"] == {"shop.till", "shop.stock"}


def test_a_circle_through_a_type_only_import_is_found(package):
    files = {
        "till.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.counter import Counter",
        "counter.py": "def pay():\n    from shop import queue",
        "queue.py": "import shop.till",
        "door.py": "from shop import queue",
    }
    assert circles(import_graph(package(files))) == [["shop.counter", "shop.queue", "shop.till"]]


def test_two_circles_that_only_one_way_joins_are_two():
    graph = {"a": {"b"}, "b": {"a", "c"}, "c": {"d"}, "d": {"c"}, "e": {"a"}}
    assert circles(graph) == [["a", "b"], ["c", "d"]]


def test_packages_that_import_each_other_are_a_circle_of_rooms_although_their_files_are_not(package):
    files = {
        "__init__.py": "",
        "stock/shelf.py": "from shop.sales import price",
        "stock/board.py": "",
        "sales/price.py": "",
        "sales/till.py": "from shop.stock import board",
    }
    graph = import_graph(package(files))
    assert circles(graph) == []
    assert circles(rooms(graph, "shop")) == [["shop.sales", "shop.stock"]]
    assert set(rooms(graph, "shop")) == {"shop", "shop.sales", "shop.stock"}
    assert circles(rooms(graph, "shop.stock")) == []


def test_a_package_is_a_room_whose_init_its_children_may_not_import(package):
    files = {"__init__.py": "from shop.till import Coin", "till.py": "from shop import NAME"}
    assert circles(rooms(import_graph(package(files)), "shop")) == [["shop", "shop.till"]]


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ({}, 0),
        ({"a": set()}, 1),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, 3),
        ({"a": {"b"}, "b": {"a", "c"}, "c": set()}, 2),
        ({"a": {"elsewhere"}}, 1),
    ],
)
def test_floors_are_the_longest_way_down(graph, expected):
    assert floors(graph) == expected
