"""``python -m tests.scan_crash``: disturb many scans, print the count, end with status 1 at a fault."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tests.scan_crash.driver import Driver
from tests.scan_crash.world import aws_of
from tests.storage.conftest import ended_owners

if TYPE_CHECKING:
    from collections import Counter


@click.command()
@click.option("--kills", default=200, show_default=True, type=click.IntRange(1), help="How many scans to disturb.")
@click.option("--seed", default=1, show_default=True, help="Another one chooses other moments.")
def main(kills: int, seed: int) -> None:
    """Kill and interrupt scans at random moments and check what is left."""
    os.environ.update(aws_of(0).environment)
    with tempfile.TemporaryDirectory() as name, ended_owners(Path(name)):
        outcome = Driver(Path(name), seed).run(kills)
    click.echo(f"sent {outcome.signals.total()} signals: {_counted(outcome.signals)}; met {_counted(outcome.met)}")
    click.echo(f"cells afterwards: {_counted(outcome.cells)}")
    for fault in outcome.faults:
        click.echo(f"FAULT: {fault}")
    click.echo(f"{len(outcome.faults)} faults")
    sys.exit(bool(outcome.faults))


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


if __name__ == "__main__":
    main()
