"""``python -m tests.architecture.figures``: the figures of the package, and what they were in an earlier revision."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from tests.architecture.measures import Figure, figures_of, parts_of, repeated_names, small_modules
from tests.architecture.round_trip import files_touched
from tests.architecture.sources import PACKAGE, ROOT, extracted, sources_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ARTEFACTS = ROOT / ".artefacts"
NOW = "now"
TOUCHED = "files touched by one ask / one apply"

#: The figures of the whole package under an empty name, those of each part under the part's.
Measured = dict[str, list[Figure]]


@click.command()
@click.option("--against", default="HEAD", show_default=True, help="The revision to compare with.")
@click.option("--runtime", is_flag=True, help="Also count the files that a request touches; takes half a minute.")
@click.option("--list", "listed", is_flag=True, help="Also list the small modules and the repeated names.")
def main(against: str, *, runtime: bool, listed: bool) -> None:
    """Print the figures of the working tree and those of an earlier revision, and write them down as JSON."""
    try:
        with extracted(against) as tree:
            measured = {against: _measured(tree, runtime=runtime), NOW: _measured(ROOT, runtime=runtime)}
    except subprocess.CalledProcessError as error:
        raise click.ClickException(f"git cannot extract {PACKAGE} of revision {against!r}") from error
    console = Console()
    for table in _tables(measured):
        console.print(table)
    if listed:
        sources = sources_in(ROOT / PACKAGE)
        console.print("\n".join(["", *small_modules(sources), "", *repeated_names(sources)]), highlight=False)
    _write(measured)


def _measured(tree: Path, *, runtime: bool) -> Measured:
    package = tree / PACKAGE
    figures = figures_of(package)
    if runtime:
        try:
            figures.append(Figure(TOUCHED, files_touched(tree, ARTEFACTS / "models")))
        except RuntimeError as error:
            # A revision whose library is another cannot be asked; its other figures still count.
            click.echo(f"no round trip in {tree}: {error}", err=True)
            figures.append(Figure(TOUCHED, ()))
    return {"": figures, **parts_of(package)}


def _tables(measured: Mapping[str, Measured]) -> Sequence[Table]:
    whole = Table("figure", *measured)
    for name in _names(measured, ""):
        whole.add_row(name, *_row(measured, "", name))
    named = _names(measured, PACKAGE)
    parts = Table("part", *(f"{name}: {revision}" for name in named for revision in measured))
    for part in sorted({part for figures in measured.values() for part in figures} - {""}):
        parts.add_row(part, *(value for name in named for value in _row(measured, part, name)))
    return whole, parts


def _names(measured: Mapping[str, Measured], part: str) -> list[str]:
    """Return the names of a part's figures in any revision, each once and in order."""
    return list({figure.name: None for figures in measured.values() for figure in figures.get(part, ())})


def _row(measured: Mapping[str, Measured], part: str, name: str) -> list[str]:
    """Return a figure as it is in each revision, with a dash where a revision lacks the part or the figure."""
    found = [{figure.name: str(figure) for figure in figures.get(part, ())} for figures in measured.values()]
    return [figures.get(name, "-") for figures in found]


def _write(measured: Mapping[str, Measured]) -> None:
    report: dict[str, Any] = {
        revision: {part: {figure.name: figure.values for figure in figures} for part, figures in found.items()}
        for revision, found in measured.items()
    }
    ARTEFACTS.mkdir(exist_ok=True)
    (ARTEFACTS / "figures.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
