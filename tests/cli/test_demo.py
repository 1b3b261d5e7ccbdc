"""The ``demo`` command."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from click.testing import CliRunner

from cloudops_nb.cli.demo import demo as demo_command

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.demo import Demo


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(demo_command, arguments)
    return result.exit_code, result.output


def test_up_says_where_and_how_to_point_a_shell_there(demo: Demo) -> None:
    code, output = run("up", "--path", str(demo.path))

    assert code == 0
    assert demo.endpoint in output
    assert f'eval "$(cloudops-nb demo env --path {demo.path})"' in output


def test_status_shows_a_running_demo_and_fails_without_one(demo: Demo, tmp_path: Path) -> None:
    code, output = run("status", "--path", str(demo.path))
    assert (code, output.split()[0]) == (0, "running")

    code, output = run("status", "--path", str(tmp_path / "none"))
    assert (code, output.split()[0]) == (1, "down")


def test_down_of_nothing_says_so(tmp_path: Path) -> None:
    assert run("down", "--path", str(tmp_path / "none")) == (0, "No demo was running.\n")


def test_a_shell_that_evaluates_env_has_the_demos_variables_and_no_others(demo: Demo) -> None:
    _, commands = run("env", "--path", str(demo.path))
    ambient = {"PATH": "/usr/bin:/bin", "AWS_PROFILE": "corporate", "AWS_SECRET_ACCESS_KEY": "a-real-key"}
    shell = subprocess.run(["sh", "-c", f"{commands}env"], env=ambient, capture_output=True, text=True, check=True)
    variables = dict(line.split("=", 1) for line in shell.stdout.splitlines())

    assert {name: variables[name] for name in demo.environment} == demo.environment
    assert not {"AWS_PROFILE", "AWS_SECRET_ACCESS_KEY"} & set(variables)


def test_env_as_json_has_null_for_what_must_go(demo: Demo) -> None:
    _, output = run("env", "--path", str(demo.path), "--json")
    variables = json.loads(output)

    assert variables["AWS_ENDPOINT_URL"] == demo.endpoint
    assert variables["AWS_PROFILE"] is None
