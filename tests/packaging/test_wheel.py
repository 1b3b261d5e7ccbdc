"""The wheel holds all that the package needs, and works where only it and its dependencies are installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.cli.demo import NOTEBOOK
from cloudops_nb.version import VERSION
from tests.storage.conftest import ended_owners

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cloudops_nb"
METADATA = f"cloudops_nb-{VERSION}.dist-info"
#: What the wheel has beyond the files of the package.
ADDED = {f"cloudops_nb/demo/{NOTEBOOK}"}


def run(*command: object, **options: object) -> str:
    """Run a command to its end and return what it printed; what it complained of is in the failure."""
    done = subprocess.run(  # type: ignore[call-overload]
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=120, **options
    )
    assert done.returncode == 0, done.stderr or done.stdout
    return str(done.stdout)


def built(folder: Path, suffix: str) -> Path:
    """Return the one file that was built with a suffix."""
    (found,) = folder.glob(f"*{suffix}")
    return found


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--directory", folder, cwd=ROOT)
    return folder


class Installed:
    """An environment of its own with the wheel, which finds the dependencies where this interpreter has them."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self._bin = folder / "venv" / "bin"
        run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
        target = ("--python", self._bin / "python", "install", "--no-deps", "--no-index", "--no-compile")
        run(sys.executable, "-m", "pip", "--disable-pip-version-check", *target, wheel)
        # A folder that a .pth file names has its own .pth files left alone, so this checkout is not on the path.
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")

    @property
    def environment(self) -> Mapping[str, str]:
        """An environment with nothing of this process but the path to programs."""
        return {"HOME": str(self.home), "PATH": os.environ["PATH"], "CLOUDOPS_KEY_SOURCE": "file"}

    def call(self, program: str, *arguments: str) -> str:
        """Run one of the environment's programs in its home."""
        return run(self._bin / program, *arguments, cwd=self.home, env=self.environment)


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("installed")
    made = Installed(folder, built(dist, ".whl"))
    with ended_owners(made.home):
        yield made


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(dist: Path) -> None:
    source = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(built(dist, ".whl")) as wheel:
        held = set(wheel.namelist())
    metadata = {name for name in held if name.startswith(f"{METADATA}/")}

    assert held - metadata == source | ADDED
    assert {f"{METADATA}/{name}" for name in ("METADATA", "entry_points.txt")} <= metadata
    assert {Path(name).name for name in metadata} >= {"LICENSE", "NOTICE"}


def test_the_sdist_holds_what_a_wheel_is_built_from_and_the_tests(dist: Path) -> None:
    with tarfile.open(built(dist, ".tar.gz")) as sdist:
        held = {name.partition("/")[2] for name in sdist.getnames()}

    needed = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "cloudops_nb/py.typed", f"notebooks/{NOTEBOOK}"}
    assert held >= needed | {"tests/packaging/test_wheel.py"}


def test_the_installed_package_is_the_wheels(installed: Installed) -> None:
    place = installed.call("python", "-c", "import cloudops_nb; print(cloudops_nb.__file__)")

    assert Path(place.strip()).is_relative_to(installed.home.parent / "venv")


def test_the_installed_commands_know_their_version_and_the_types(installed: Installed) -> None:
    assert installed.call("cloudops-nb", "--version").strip().endswith(VERSION)
    assert "rds_instance" in installed.call("cloudops-nb", "types")
    assert "cloudops-server" in installed.call("cloudops-server", "--help")


def test_the_installed_magics_load_and_report_an_empty_store(installed: Installed) -> None:
    program = """
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
config = Config(); config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
for line in ("%load_ext cloudops_nb", "%cloudops_status -o status", "%cloudops_types -o types"):
    shell.run_cell(line).raise_error()
print(len(shell.user_ns["types"]), "types;", shell.user_ns["status"])
"""
    printed = installed.call("python", "-c", program)

    assert "types; " in printed
    assert not printed.startswith("0 types")


def test_the_installed_playbooks_and_schemas_are_read(installed: Installed) -> None:
    program = "from cloudops_nb.ssm.catalogue import Catalogue; print(*Catalogue.bundled().runnable, sep='\\n')"

    assert "ec2-stop" in installed.call("python", "-c", program)


def test_the_installed_lab_has_its_notebook(installed: Installed) -> None:
    program = "from cloudops_nb.cli import demo; from pathlib import Path; print(demo.quickstart_notebook(Path()))"

    assert installed.call("python", "-c", program).strip() == NOTEBOOK
    assert (installed.home / NOTEBOOK).read_bytes() == (ROOT / "notebooks" / NOTEBOOK).read_bytes()
