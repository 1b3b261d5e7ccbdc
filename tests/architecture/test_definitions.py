from __future__ import annotations

import pytest

from tests.architecture.definitions import Definitions

pytestmark = pytest.mark.fast

BASE = """
from typing import NamedTuple, Protocol

LIMIT: int = 1
try:
    import json as codec
except ImportError:
    codec, FALLBACK = None, True

class Shelf:
    height = 3
    def __init__(self):
        self.boards, self.nails = [], 0
    class Board:
        length = 1

class Pair(NamedTuple):
    left: int

class Full(ValueError):
    pass

class Port(Protocol[int]):
    def call(self): ...

def measure():
    local = 1
"""
USER = """
from shop.stock import Shelf as Rack, measure

class Cupboard(Rack):
    door = 1
"""


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    package = tmp_path_factory.mktemp("definitions") / "shop"
    (package / "sales").mkdir(parents=True)
    (package / "__init__.py").write_text("from shop.stock import Shelf")
    (package / "stock.py").write_text(BASE)
    (package / "sales" / "__init__.py").write_text("")
    (package / "sales" / "till.py").write_text(USER)
    return Definitions(package)


@pytest.mark.parametrize(
    "name",
    [
        "shop",
        "shop.Shelf.boards",
        "shop.stock.LIMIT",
        "shop.stock.FALLBACK",
        "shop.stock.codec.dumps",
        "shop.stock.Shelf.height",
        "shop.stock.Shelf.nails",
        "shop.stock.Shelf.Board.length",
        "shop.stock.Pair.left",
        "shop.stock.Full.with_traceback",
        "shop.stock.Port.call",
        "shop.sales.till.measure",
        "shop.sales.till.Cupboard.height",
        "pathlib.Path.exists",
        "ValueError",
    ],
)
def test_a_full_name_that_is_defined_exists(definitions, name):
    assert name in definitions


@pytest.mark.parametrize(
    "name",
    [
        "shop.till",
        "shop.stock.local",
        "shop.stock.Shelf.width",
        "shop.stock.Shelf.Board.height",
        "shop.stock.codec.wish",
        "shop.sales.till.Cupboard.width",
        "pathlib.Path.wish",
        "pathlib",
        "WishError",
    ],
)
def test_a_full_name_that_is_not_defined_does_not(definitions, name):
    assert name not in definitions


@pytest.mark.parametrize(
    ("name", "classes", "seen"),
    [
        ("door", ("Cupboard",), True),
        ("boards", ("Cupboard",), True),
        ("door", (), False),
        ("measure", (), True),
        ("LIMIT", (), False),
        ("Pair", (), True),
        ("Pair.left", (), True),
        ("Pair.right", (), False),
        (".Pair.left", (), True),
        (".stock.LIMIT", (), True),
        (".stock.WISH", (), False),
        ("door", ("Local",), False),
    ],
)
def test_a_short_name_exists_for_a_reader_who_can_see_it(definitions, name, classes, seen):
    assert definitions.visible(name, "shop.sales.till", classes) is seen


def test_a_name_is_in_a_part_at_any_depth(definitions):
    assert definitions.in_part("sales", "till")
    assert definitions.in_part("sales", "door")
    assert definitions.in_part("stock", "measure")
    assert not definitions.in_part("sales", "LIMIT")
