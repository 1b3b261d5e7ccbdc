"""``python -m tests.survey.second_opinion``: compare the order of steps, end with status 1 at a fault."""

from __future__ import annotations

import logging
import sys

import click

from tests.survey.second_opinion.cases import cases
from tests.survey.second_opinion.comparison import faults, is_installed, ours, theirs


@click.command()
def main() -> None:
    """Compare the order of steps of plain documents with a library for Automation documents."""
    logging.disable(logging.CRITICAL)
    if not is_installed():
        raise click.ClickException("the library is not installed: run make second-opinion")
    every = list(cases())
    found = []
    for case, other in zip(every, theirs(every), strict=True):
        own = ours(case)
        found += list(faults(case, own, other))
        click.echo(f"{case.name}: {own}")
        if case.differs:
            click.echo(f"    {case.differs}\n    the library: {other}")
    for fault in found:
        click.echo(f"FAULT: {fault}")
    differing = sum(bool(case.differs) for case in every)
    click.echo(f"{len(every)} documents; the library differs from the guide in {differing}; {len(found)} faults")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
