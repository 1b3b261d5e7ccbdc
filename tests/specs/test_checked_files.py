"""Files of a user's own are checked once for each of their versions."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.specs import checks
from cloudops_nb.specs.checked_files import RECORD_NAME
from cloudops_nb.specs.files import load_specs, parse_specs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

POLLY = """\
service: polly
types:
  - resource_type: polly_lexicon
    cloudformation_type: AWS::Polly::Lexicon
    list: {operation: ListLexicons, items: Lexicons}
    identifier: Name
    arn: Attributes.LexiconArn
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one declaration, and a process that has parsed nothing yet."""
    (tmp_path / "polly.yaml").write_text(POLLY, encoding="utf-8")
    parse_specs.cache_clear()
    return tmp_path


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types that were checked against botocore's models."""
    types: list[str] = []
    real = checks.spec_problems

    def counted(spec):
        types.append(spec.resource_type)
        return real(spec)

    monkeypatch.setattr(checks, "spec_problems", counted)
    return types


def test_a_file_that_passed_is_not_checked_by_the_next_process(folder: Path, checked: list[str]) -> None:
    load_specs(folder)
    parse_specs.cache_clear()
    load_specs(folder)
    assert checked == ["polly_lexicon"]
    assert stat.S_IMODE((folder / RECORD_NAME).stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == [RECORD_NAME, "polly.yaml"]


def test_a_changed_file_and_another_botocore_are_checked_again(
    folder: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_specs(folder)
    (folder / "polly.yaml").write_text(f"# changed\n{POLLY}", encoding="utf-8")
    load_specs(folder)
    monkeypatch.setattr("botocore.__version__", "0.0.0")
    parse_specs.cache_clear()
    load_specs(folder)
    assert checked == ["polly_lexicon"] * 3


def test_a_file_that_failed_is_checked_each_time(folder: Path, checked: list[str]) -> None:
    (folder / "polly.yaml").write_text(POLLY.replace("Attributes.Lex", "Attribute.Lex"), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="Attribute is not in LexiconDescription"):
            load_specs(folder)
    assert checked == ["polly_lexicon"] * 2
    assert not (folder / RECORD_NAME).exists()


def test_a_record_that_cannot_be_read_or_written_only_costs_time(folder: Path, checked: list[str]) -> None:
    (folder / RECORD_NAME).mkdir()
    load_specs(folder)
    assert checked == ["polly_lexicon"]
