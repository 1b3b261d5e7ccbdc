"""``python -m tests.survey FOLDER…``: try every document, print how far each came, end with status 1 at a fault."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from tests.survey.report import lines_of, totals
from tests.survey.running import neighbours
from tests.survey.sources import sources_in
from tests.survey.trial import try_document


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", default="", help="Only documents whose name contains this text.")
@click.option("--calls", is_flag=True, help="Print the calls that each document makes.")
def main(folders: tuple[Path, ...], only: str, *, calls: bool) -> None:
    """Try every Automation document under some folders."""
    logging.disable(logging.CRITICAL)
    sources = list(sources_in(folders))
    around = neighbours(sources)
    trials = []
    for source in sources:
        if only in source.name:
            trials.append(try_document(source, around))
            click.echo("\n".join(lines_of(trials[-1], calls=calls)))
    click.echo("\n".join(totals(trials)))
    sys.exit(any(trial.faults for trial in trials))


if __name__ == "__main__":
    main()
