"""``python -m benchmarks.against REVISION``: subjects measured in turns with another revision of the repository.

A machine's speed moves within the hour, so two runs an hour apart do not compare. Here each round runs a subject once
with the other revision and once with the working tree, each with its own benchmarks, and the medians are compared.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from benchmarks.child import ARTEFACTS, MODELS, ROOT
from benchmarks.figure import median

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FOLDERS = ("benchmarks", "cloudops_nb", "tests", "pyproject.toml")
#: The values of each figure, one per round, by subject and figure.
Values = dict[tuple[str, str], list[float]]


@click.command()
@click.argument("revision")
@click.argument("names", nargs=-1, required=True)
@click.option("--rounds", default=3, show_default=True, help="Runs of each subject with each of the two.")
@click.option("--quick", is_flag=True, help="Smaller inputs, as for the subjects alone.")
def main(revision: str, names: tuple[str, ...], *, rounds: int, quick: bool) -> None:
    """Measure the subjects NAMES with REVISION and with the working tree, in turns, and print both medians."""
    console = Console()
    before: Values = {}
    after: Values = {}
    with _extracted(revision) as tree:
        for name in names:
            _lend(name, tree)
            for turn in range(rounds):
                console.print(f"measuring {name}, round {turn + 1} of {rounds} …", style="dim")
                for folder, values in ((tree, before), (ROOT, after)):
                    _measure(folder, name, values, quick=quick)
    table = Table("subject", "figure", revision, "now", "now / then", "ranges")
    rows = [_compared(key, before[key], after[key]) for key in before if key in after]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    ARTEFACTS.mkdir(exist_ok=True)
    report = {f"{name}: {figure}": {revision: before.get((name, figure)), "now": values}
              for (name, figure), values in after.items()}  # fmt: skip
    (ARTEFACTS / "against.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _extracted(revision: str) -> Iterator[Path]:
    """Lend a folder with a revision's package and benchmarks; it shares the exported models."""
    command = ["git", "archive", revision, *_FOLDERS]
    try:
        archive = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    except subprocess.CalledProcessError as error:
        raise click.ClickException(f"git cannot extract revision {revision!r}") from error
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        MODELS.mkdir(parents=True, exist_ok=True)
        (Path(folder) / ".artefacts").mkdir()
        (Path(folder) / ".artefacts" / "models").symlink_to(MODELS)
        yield Path(folder)


def _lend(name: str, tree: Path) -> None:
    """Copy a subject into a tree that lacks it."""
    module = Path("benchmarks", "subjects", f"{name}.py")
    if not (tree / module).exists():
        shutil.copyfile(ROOT / module, tree / module)


def _measure(tree: Path, name: str, values: Values, *, quick: bool) -> None:
    """Run a subject of a tree in a process of its own, and add its figures to the values."""
    command = [sys.executable, "-m", "benchmarks", name, *(["--quick"] if quick else [])]
    # Modules of the tree come before those of an editable installation.
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{name} failed in {tree}: {done.stdout[-500:]}{done.stderr[-500:]}")
    report = json.loads((tree / ".artefacts" / "bench.json").read_text(encoding="utf-8"))
    for figure, value in _distinct(report["figures"][name]):
        values.setdefault((name, figure), []).append(value)


def _distinct(figures: Sequence[Mapping[str, object]]) -> Iterator[tuple[str, float]]:
    """Yield each figure once; several rows differ only in their reference."""
    yield from {f"{each['name']} ({each['unit']})": float(str(each["value"])) for each in figures}.items()


def _compared(key: tuple[str, str], before: Sequence[float], after: Sequence[float]) -> Sequence[str]:
    old, new = median(before), median(after)
    ratio = f"{new / old:.2f}" if old else "-"
    ranges = f"{min(before):,.4g} to {max(before):,.4g}; {min(after):,.4g} to {max(after):,.4g}"
    return *key, f"{old:,.4g}", f"{new:,.4g}", ratio, ranges


if __name__ == "__main__":
    main()
