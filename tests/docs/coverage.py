"""``python -m tests.docs.coverage``: writes ``docs/coverage.md``, the table of all bundled resource types."""

from __future__ import annotations

from pathlib import Path

from cloudops_nb.scanner.inventory.coverage import coverage_markdown
from cloudops_nb.specs.files import bundled_specs

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


def page() -> str:
    """Return what the page says of the bundled types, without a user's own."""
    return coverage_markdown(bundled_specs())


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
