"""The modules of one revision of the package, as text and as syntax tree."""

from __future__ import annotations

import ast
import io
import subprocess
import tarfile
import tokenize
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = "cloudops_nb"
#: Python 3.12 and later cut an f-string into several tokens, of which these hold its text.
TEXT_TOKENS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


@dataclass(frozen=True)
class Source:
    """One module: ``path`` is its place in the package's folder, ``text`` what is written there."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def tokens(self) -> list[tokenize.TokenInfo]:
        """The tokens, comments among them."""
        return list(tokenize.generate_tokens(io.StringIO(self.text).readline))

    @cached_property
    def lines(self) -> int:
        """The number of lines."""
        return len(self.text.splitlines())

    @property
    def part(self) -> str:
        """The folder of the package that holds it; empty for a module at the top."""
        return self.path.parts[0] if len(self.path.parts) > 1 else ""

    @cached_property
    def commented_lines(self) -> int:
        """The number of lines with a comment."""
        return len({token.start[0] for token in self.tokens if token.type == tokenize.COMMENT})

    @cached_property
    def prose(self) -> str:
        """The comments, docstrings and other string literals."""
        kinds = {tokenize.COMMENT, *TEXT_TOKENS}
        return "\n".join(token.string for token in self.tokens if token.type in kinds)


def sources_in(package: Path) -> list[Source]:
    """Read every module of a package."""
    return [Source(path.relative_to(package), path.read_text("utf-8")) for path in sorted(package.rglob("*.py"))]


@contextmanager
def extracted(revision: str) -> Iterator[Path]:
    """Lend a folder with the package as it is in a revision of the repository.

    Raises:
        subprocess.CalledProcessError: There is no such revision, or the package is not in it.
    """
    archive = subprocess.run(["git", "archive", revision, PACKAGE], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    with TemporaryDirectory() as name:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(name, filter="data")
        yield Path(name)
