"""The versions in constraints.txt are exact, complete, and inside the ranges of pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.fast

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
#: The project itself, and what has a build for each kind of machine.
APART = {"cloudops-nb", "torch"}
NAMED = [
    requirement
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for requirement in map(Requirement, group)
    if requirement.name not in APART
]
LINES = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
VERSIONS = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in LINES}


@pytest.mark.parametrize("requirement", NAMED, ids=str)
def test_what_the_project_names_has_a_version_inside_its_range(requirement: Requirement) -> None:
    assert requirement.specifier.contains(VERSIONS[canonicalize_name(requirement.name)])


def test_every_line_is_one_exact_version_of_a_distribution_that_fits_every_machine() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line)] == []
    assert len(VERSIONS) == len(LINES)
    assert not [name for name in VERSIONS if name in APART or name.startswith("nvidia-")]
