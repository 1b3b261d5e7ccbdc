"""The documents name what exists; that what they name exists is tested with the architecture."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import cloudops_nb
from cloudops_nb.cli.main import main
from cloudops_nb.scanner.inventory.coverage import coverage_markdown
from cloudops_nb.settings import Settings
from cloudops_nb.specs.files import bundled_specs

pytestmark = pytest.mark.fast

ROOT = Path(cloudops_nb.__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields)))
def test_every_setting_is_documented(name):
    assert f"`{name}`" in (ROOT / "docs" / "configuration.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_is_in_the_readme_and_explains_itself(name):
    assert re.search(rf"`(cloudops-nb )?{name}`", README)
    assert main.commands[name].help


def test_every_part_of_the_package_is_in_the_architecture():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for folder in (ROOT / "cloudops_nb").iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert f"`{folder.name}`" in text, folder.name


def test_the_public_names_are_exactly_these():
    assert set(dir(cloudops_nb)) == set(cloudops_nb.__all__)
    for name in cloudops_nb.__all__:
        assert getattr(cloudops_nb, name) is not None


def test_every_dependency_has_its_reason_and_the_required_ones_are_there():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    required = "ipython ipywidgets jupyterlab qdrant-client sentence-transformers boto3 cryptography keyring pandas"
    names = {re.match(r"[a-zA-Z0-9-]+", entry)[0] for entry in project["dependencies"]}
    assert set(required.split()) <= names
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for entry in (entry for group in groups for entry in group if not entry.startswith("cloudops-nb")):
        assert re.search(rf'"{re.escape(entry)}",\s+# \S', text), f"{entry} has no reason beside it"


def test_the_coverage_table_is_that_of_the_specs():
    written = (ROOT / "docs" / "coverage.md").read_text("utf-8")
    assert written == coverage_markdown(bundled_specs()), "cloudops-nb types --markdown > docs/coverage.md"


def test_every_magic_is_documented():
    text = (ROOT / "docs" / "notebook.md").read_text("utf-8")
    source = (ROOT / "cloudops_nb" / "notebook" / "magics" / "magics.py").read_text("utf-8")
    names = re.findall(r"def (cloudops_\w+)\(", source)
    assert len(names) > 8
    for name in names:
        assert f"%{name}`" in text, name
