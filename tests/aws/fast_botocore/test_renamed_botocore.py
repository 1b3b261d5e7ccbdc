"""Without each undocumented name in turn, a scan and a plan do the same, with plain botocore and one warning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.fast_botocore.undocumented import UNDOCUMENTED_NAMES
from tests.aws.fast_botocore.renamed_botocore import TYPES

if TYPE_CHECKING:
    from tests.scanner.moto_estate import Estate

AS_INSTALLED = "-"
NAMES = tuple(dict.fromkeys(each.name for each in UNDOCUMENTED_NAMES))


@pytest.fixture(scope="module")
def answers(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was observed with each name renamed."""
    from tests.scanner.moto_estate import CONFIG

    config = tmp_path_factory.mktemp("aws") / "config"
    config.write_text(CONFIG, encoding="utf-8")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    variables |= {"AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL": estate.endpoint}
    ran = subprocess.run(
        [sys.executable, "-m", "tests.aws.fast_botocore.renamed_botocore", AS_INSTALLED, *NAMES],
        cwd=Path(__file__).parents[3],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {each["name"]: each for each in map(json.loads, ran.stdout.splitlines())}


def test_the_installed_botocore_scans_with_the_fast_parts(answers: dict[str, Any]) -> None:
    found = answers[AS_INSTALLED]
    assert not found["plain"]
    assert found["warnings"] == []
    assert found["plan"] == ["completed", "stopped"]
    text = "\n".join(found["resources"])
    assert {each for each in TYPES if f"resource_type='{each}'" in text} == TYPES


@pytest.mark.parametrize("name", NAMES)
def test_without_a_name_a_scan_finds_the_same_and_a_plan_runs(name: str, answers: dict[str, Any]) -> None:
    found = answers[name]
    assert "error" not in found
    assert found["renamed"], "botocore has the name"
    assert found["resources"] == answers[AS_INSTALLED]["resources"]
    assert found["plan"] == answers[AS_INSTALLED]["plan"]
    assert found["plain"]
    [warning] = found["warnings"]
    assert warning.startswith("plain botocore")
    assert "plain botocore: " in found["status"]
