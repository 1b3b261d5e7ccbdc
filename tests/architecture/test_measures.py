from __future__ import annotations

import pytest

from tests.architecture.measures import Figure, figures_of, parts_of, repeated_names, small_modules
from tests.architecture.sources import PACKAGE, sources_in

pytestmark = pytest.mark.fast

SHELF = '''"""Where it lies."""

import yaml

# Nobody looks here.


class Shelf:
    def board(self):
        lies = yaml.load("x: 'anew'", Loader=yaml.CSafeLoader)  # twice
        return lies


def first():
    return yaml.safe_load(""), json.load("")
'''


@pytest.fixture
def package(tmp_path):
    package = tmp_path / PACKAGE
    for name, text in {
        "__init__.py": "",
        "shelf.py": "class Till:\n    pass\n",
        "scanner/__init__.py": "",
        "scanner/shelf.py": SHELF,
        "scanner/till.py": f"from {PACKAGE}.scanner.shelf import Shelf\n\n\nclass Till:\n    pass\n" + "\n" * 60,
    }.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("modules / lines", (5, 82)),
        ("module lines, median / p90 / max", (2, 65, 65)),
        ("function lines, median / p90", (2.5, 3)),
        ("comments, % of lines", (pytest.approx(200 / 82),)),
        ("function name, median characters", (5,)),
        ("modules under 45 lines", (2,)),
        ("module names / class names used twice or more", (1, 1)),
        ("scanner: rooms / floors", (3, 2)),
        ("YAML table loaders written", (2,)),
        ("import circles, type-only imports counted", (0,)),
    ],
)
def test_a_figure_counts_what_its_name_says(package, name, values):
    assert {figure.name: figure.values for figure in figures_of(package)}[name] == values


def test_words_count_in_prose_and_not_in_code(package):
    rates = {figure.name.split('"')[1]: figure.values[0] for figure in figures_of(package) if '"' in figure.name}
    counted = {word: round(rate * 82 / 10_000) for word, rate in rates.items() if rate}
    assert counted == {"lies": 1, "nobody": 1, "anew": 1}


def test_each_part_has_figures_of_its_own(package):
    parts = {part: {figure.name: figure.values for figure in found} for part, found in parts_of(package).items()}
    assert parts[PACKAGE] == {"comments, % of lines": (0,), "rooms / floors": (3, 1)}
    assert parts["scanner"]["rooms / floors"] == (3, 2)


def test_the_lists_name_what_was_counted(package):
    sources = sources_in(package)
    assert small_modules(sources) == ["  2 shelf.py", " 15 scanner/shelf.py"]
    assert repeated_names(sources) == ["shelf", "Till"]


def test_a_figure_is_shown_in_the_order_of_its_name_and_a_missing_one_as_a_dash():
    assert str(Figure("a / b", (12345, 1.66))) == "12,345 / 1.7"
    assert str(Figure("a", ())) == "-"
