"""``python -m tests.crash``: kill many times, print the count, end with status 1 at a fault."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from tests.crash.driver import Driver
from tests.storage.conftest import ended_owners


@click.command()
@click.option("--kills", default=200, show_default=True, type=click.IntRange(1), help="How many times to kill.")
@click.option("--seed", default=1, show_default=True, help="Another one chooses other moments.")
def main(kills: int, seed: int) -> None:
    """Kill the programs that work on a store at random moments and check what is left."""
    with tempfile.TemporaryDirectory() as name, ended_owners(Path(name)):
        outcome = Driver(Path(name), seed).run(kills)
    click.echo(f"killed {sum(outcome.kills.values())} times: {_counted(outcome.kills)}")
    click.echo(f"in the middle of: {_counted(outcome.met)}")
    click.echo(f"acknowledged operations: {_counted(outcome.acknowledged)}")
    for fault in outcome.faults:
        click.echo(f"FAULT: {fault}")
    click.echo(f"{len(outcome.faults)} faults")
    sys.exit(bool(outcome.faults))


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda pair: -pair[1]))


if __name__ == "__main__":
    main()
