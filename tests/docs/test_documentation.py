"""The documents name what exists; that what they name exists is tested with the architecture."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import cloudops_nb
from cloudops_nb.cli.main import main
from cloudops_nb.notebook.magics.magics import CloudOpsMagics
from cloudops_nb.settings import Settings
from tests.docs.coverage import PAGE, page

pytestmark = pytest.mark.fast

ROOT = Path(cloudops_nb.__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields)))
def test_every_setting_is_documented(name):
    documented = f"`{name}`" in (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert documented, f"docs/configuration.md: add a row to the table of settings for {name}"


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_is_in_the_readme_and_explains_itself(name):
    named = re.search(rf"`(cloudops-nb )?{name}`", README)
    assert named, f"README.md: name the command {name} under 'From Python'"
    assert main.commands[name].help, f"give the command {name} a docstring"


def test_every_part_of_the_package_is_in_the_architecture():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for folder in (ROOT / "cloudops_nb").iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert f"`{folder.name}`" in text, f"docs/architecture.md: add a row under Parts for {folder.name}"


def test_the_public_names_are_exactly_these():
    assert set(dir(cloudops_nb)) == set(cloudops_nb.__all__)
    for name in cloudops_nb.__all__:
        assert getattr(cloudops_nb, name) is not None


def test_every_dependency_has_its_reason_and_the_required_ones_are_there():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    required = "ipython ipywidgets jupyterlab qdrant-client sentence-transformers boto3 cryptography keyring pandas"
    names = {re.split(r"[^a-zA-Z0-9-]", entry, maxsplit=1)[0] for entry in project["dependencies"]}
    assert set(required.split()) <= names
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for entry in (entry for group in groups for entry in group if not entry.startswith("cloudops-nb")):
        assert re.search(rf'"{re.escape(entry)}",\s+# \S', text), f"{entry} has no reason beside it"


def test_the_coverage_table_is_that_of_the_specs():
    # A comparison of the texts would print all of both.
    current = PAGE.read_text("utf-8") == page()
    assert current, "docs/coverage.md is not what the declarations say: run make coverage"


def test_every_magic_is_documented():
    text = (ROOT / "docs" / "notebook.md").read_text("utf-8")
    undocumented = [f"%{name}" for kind in CloudOpsMagics.magics.values() for name in kind if f"%{name}`" not in text]
    assert not undocumented, f"docs/notebook.md: add a row to the table of magics for {', '.join(undocumented)}"
