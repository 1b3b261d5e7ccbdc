"""The command: run subjects, print their figures, write them down."""

from __future__ import annotations

import importlib
import json
import logging
import os
import pkgutil
import platform
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from benchmarks import subjects
from benchmarks.child import ARTEFACTS

if TYPE_CHECKING:
    from benchmarks.figure import Figure

#: From here on, a number is shown without decimals.
WHOLE_FROM = 100
SUBJECTS = tuple(sorted(module.name for module in pkgutil.iter_modules(subjects.__path__)))


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(SUBJECTS))
@click.option("--quick", is_flag=True, help="Fewer runs and smaller inputs; for a check that everything still runs.")
def main(names: tuple[str, ...], *, quick: bool) -> None:
    """Run the subjects NAMES, or all."""
    console = Console()
    table = Table("subject", "figure", "value", "reference", "", "times better", "runs")
    figures: dict[str, list[Figure]] = {}
    failures: dict[str, str] = {}
    started = time.monotonic()
    for name in names or SUBJECTS:
        console.print(f"measuring {name} …", style="dim")
        figures[name] = []
        try:
            for figure in importlib.import_module(f"benchmarks.subjects.{name}").run(quick=quick):
                figures[name].append(figure)
                table.add_row(name, *_cells(figure))
        except Exception as error:
            logging.getLogger(__name__).debug("subject failed", exc_info=True)
            failures[name] = f"{type(error).__name__}: {error}"
            table.add_row(name, "failed", failures[name])
    console.print(table)
    _write(figures, failures, quick=quick, seconds=time.monotonic() - started)
    sys.exit(1 if failures else 0)


def _cells(figure: Figure) -> tuple[str, ...]:
    value, reference = (f"{number:,.{3 if number < WHOLE_FROM else 0}f} {figure.unit}" for number in figure.both)
    return figure.name, value, reference, figure.reference_name, f"{figure.ratio:.2f}", str(figure.runs)


def _write(figures: dict[str, list[Figure]], failures: dict[str, str], *, quick: bool, seconds: float) -> None:
    report = {
        "machine": {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()},
        "quick": quick,
        "seconds": round(seconds, 1),
        "figures": {
            name: [{**asdict(figure), "ratio": figure.ratio} for figure in found] for name, found in figures.items()
        },
        "failures": failures,
    }
    ARTEFACTS.mkdir(exist_ok=True)
    (ARTEFACTS / "bench.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
