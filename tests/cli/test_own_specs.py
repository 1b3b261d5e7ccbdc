"""A user's own declarations of resource types, as files: what may be wrong with them is one line that says where."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cloudops_nb.cli.main import main
from tests.client.test_own_specs import POLLY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.fast


def broken_text(path: Path) -> None:
    path.write_text(POLLY.replace("identifier:", "identifer:"), encoding="utf-8")


def broken_operation(path: Path) -> None:
    path.write_text(POLLY.replace("ListLexicons", "ListLexicon"), encoding="utf-8")


def unknown_service(path: Path) -> None:
    path.write_text(POLLY.replace("service: polly", "service: poly"), encoding="utf-8")


def no_yaml(path: Path) -> None:
    path.write_text("service: polly\ntypes: [", encoding="utf-8")


def latin_1(path: Path) -> None:
    path.write_bytes(b"service: polly\n# caf\xe9\n" + POLLY[15:].encode())


def pipe(path: Path) -> None:
    os.mkfifo(path)


def too_large(path: Path) -> None:
    path.write_text(POLLY + "#" * 70_000, encoding="utf-8")


def unreadable(path: Path) -> None:
    """A file whose reading fails, for root too."""
    path.symlink_to("/proc/self/mem")


MISTAKES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "key": (broken_text, "mine.yaml is not a valid spec: 3:5 identifier: "),
    "operation": (broken_operation, "5:12 polly has no operation ListLexicon; did you mean ListLexicons?"),
    "service": (unknown_service, "1:1 botocore has no service poly; did you mean polly?"),
    "yaml": (no_yaml, "mine.yaml is not valid: 3:1 "),
    "empty": (lambda path: path.write_text(""), "mine.yaml is not valid: 1:1 is empty"),
    "list": (lambda path: path.write_text("- polly"), "1:1 write a map of fields"),
    "encoding": (latin_1, "mine.yaml: line 2 is not UTF-8"),
    "folder": (lambda path: path.mkdir(), "mine.yaml: it is not a regular file"),
    "pipe": (pipe, "mine.yaml: it is not a regular file"),
    "broken link": (lambda path: path.symlink_to("nowhere"), "mine.yaml: it is not a regular file"),
    "unreadable": (unreadable, "cannot read the spec file "),
    "size": (too_large, "mine.yaml is larger than 65536 bytes. Split it into several files."),
    "twice": (
        lambda path: [path.with_name(name).write_text(POLLY) for name in ("a.yaml", "b.yaml")],
        "resource type polly_lexicon is declared twice: in a.yaml and in b.yaml",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_declaration_is_one_line_that_says_where(mistake: str, tmp_path: Path) -> None:
    make, message = MISTAKES[mistake]
    (tmp_path / "specs").mkdir()
    make(tmp_path / "specs" / "mine.yaml")
    result = CliRunner().invoke(main, ["--data-path", str(tmp_path), "iam-policy"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ConfigurationError: ")
    assert message in result.output
    assert result.output.count("\n") == 1


def test_a_spec_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "specs").write_text(POLLY)
    result = CliRunner().invoke(main, ["--data-path", str(tmp_path), "iam-policy"])
    assert "cannot read the spec folder" in result.output
    assert result.output.count("\n") == 1


def test_links_are_followed_and_hidden_files_and_others_left_out(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.txt").write_text(POLLY)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "linked.yaml").symlink_to(tmp_path / "elsewhere.txt")
    for name in (".#linked.yaml", "notes.txt", "polly.yaml~"):
        (tmp_path / "specs" / name).write_text("no spec")
    result = CliRunner().invoke(main, ["--data-path", str(tmp_path), "iam-policy", "--type", "polly_lexicon"])
    assert "polly:ListLexicons" in result.output
