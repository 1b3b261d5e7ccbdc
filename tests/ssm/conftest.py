from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def playbooks() -> Path:
    """The folder of the bundled playbooks."""
    return Path(str(resources.files("cloudops_nb") / "playbooks"))


@pytest.fixture(scope="session")
def runbook(playbooks) -> str:
    """The text of a valid runbook."""
    return (playbooks / "rds/rds-stop/1.0.0/runbook.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def metadata(playbooks) -> str:
    """The text of the valid metadata beside it."""
    return (playbooks / "rds/rds-stop/1.0.0/metadata.yaml").read_text(encoding="utf-8")


@pytest.fixture
def folder(playbooks, tmp_path) -> Path:
    """A copy of the bundled playbooks that a test may change."""
    return Path(shutil.copytree(playbooks, tmp_path / "playbooks"))
