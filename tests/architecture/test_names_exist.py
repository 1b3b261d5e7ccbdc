"""The documents, docstrings and comments name only what exists."""

from __future__ import annotations

from itertools import groupby

import pytest

from tests.architecture.import_graph import modules_of
from tests.architecture.named import missing_names
from tests.architecture.passages import code_passages, document_passages
from tests.architecture.repository import REPOSITORY
from tests.architecture.sources import PACKAGE, ROOT

DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = modules_of(ROOT / PACKAGE)
PARTS = {part: list(found) for part, found in groupby(sorted(MODULES), lambda module: ".".join(module.split(".")[:2]))}


def fail_at_missing(passages) -> None:
    """Fail with a line for each name that names nothing: where it is, and what it is."""
    lines = [
        f"{passage.path.relative_to(ROOT)}:{line}: {name}"
        for passage in passages
        for line, name in missing_names(passage, REPOSITORY)
    ]
    if lines:
        pytest.fail("\n".join(["these names do not exist:", *lines]), pytrace=False)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_what_exists(document):
    text = document.read_text("utf-8")
    if document.name == "CHANGELOG.md":
        # Earlier releases keep the names that they had.
        text = "\n## ".join(text.split("\n## ")[:2])
    fail_at_missing(document_passages(document, text))


@pytest.mark.parametrize("part", sorted(PARTS))
def test_docstrings_comments_and_messages_name_what_exists(part):
    fail_at_missing(
        passage for module in PARTS[part] for passage in code_passages(MODULES[module], _text(module), module)
    )


def _text(module: str) -> str:
    return MODULES[module].read_text("utf-8")
