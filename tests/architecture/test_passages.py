from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.passages import Kind, Passage, code_passages, document_passages

pytestmark = pytest.mark.fast

HERE = Path("here")
MODULE = '''"""The module.

Its second paragraph.
"""

#: The first
#: and the second line.
LIMIT = "a" "b"  # at the end


class Outer:
    """The outer class."""

    class Inner:
        # Inside.
        name = f"of {LIMIT} and"


def run():
    """The function."""
    return f"{LIMIT}", b"bytes", 3
'''


def test_a_module_gives_its_docstrings_comments_and_texts_with_their_places():
    found = {(p.line, p.kind, p.text, p.classes) for p in code_passages(HERE, MODULE, "shop.stock")}
    assert found == {
        (1, Kind.NOTE, "The module.\n\nIts second paragraph.\n", ()),
        (6, Kind.NOTE, "The first\nand the second line.\nat the end", ()),
        (8, Kind.TEXT, "ab", ()),
        (12, Kind.NOTE, "The outer class.", ("Outer",)),
        (15, Kind.NOTE, "Inside.", ("Outer", "Inner")),
        (16, Kind.TEXT, "of … and", ("Outer", "Inner")),
        (20, Kind.NOTE, "The function.", ()),
        (21, Kind.TEXT, "…", ()),
    }


def test_a_document_is_cut_at_its_fenced_blocks():
    found = list(document_passages(HERE, "# Title\n\n```python\nops.scan()\n```\nAfter\n"))
    assert [(p.kind, p.line, p.language) for p in found] == [
        (Kind.DOCUMENT, 1, ""),
        (Kind.EXAMPLE, 4, "python"),
        (Kind.DOCUMENT, 5, ""),
    ]
    assert [p.text for p in found] == ["# Title\n\n", "ops.scan()\n", "\nAfter\n"]
    assert found[2].line_at(1) == 6


def test_backticks_enclose_code_and_those_of_a_role_do_not():
    text = "see :func:`first`, `second` and ``a `third` one``, not :class:`this` or :class:`that`"
    assert [span for _, span in Passage(Kind.NOTE, HERE, 1, text).spans] == ["second", "a `third` one"]
    assert list(Passage(Kind.TEXT, HERE, 1, text).spans) == [(0, text)]
