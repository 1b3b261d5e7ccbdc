"""``python -m tests.corrupt``: flip bits, print the figures, end with status 1 at a fault."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import click

from tests.corrupt.driver import Driver
from tests.corrupt.places import KINDS
from tests.storage.conftest import ended_owners, quick_folder

#: The largest address space of the store's processes, in bytes: a damaged length must not use up the machine's memory.
_LARGEST_SPACE = 16 << 30


@click.command()
@click.option("--flips", default=60, show_default=True, type=click.IntRange(1), help="How many bits of each kind of file.")
@click.option("--seed", default=1, show_default=True, help="Another one chooses other bits.")
@click.option("--kind", "kinds", multiple=True, default=KINDS, type=click.Choice(KINDS), help="Only this kind of file.")
def main(flips: int, seed: int, kinds: tuple[str, ...]) -> None:
    """Flip bits in the files of a store and check that the damage is bounded, reported and mended."""
    resource.setrlimit(resource.RLIMIT_AS, (_LARGEST_SPACE, _LARGEST_SPACE))
    click.echo(f"seed {seed}")
    with quick_folder() as folder, ended_owners(Path(folder)):
        outcome = Driver(folder, seed).run(flips, kinds)
    for kind, counts in outcome.counts.items():
        figures = ", ".join(f"{counts[name]} {name}" for name in ("flips", "opened", "refused", "healed"))
        click.echo(f"{kind}: {figures}")
    click.echo(f"slowest opening: {outcome.slowest:.1f} s")
    for fault in outcome.faults:
        click.echo(f"FAULT: {fault}")
    click.echo(f"{len(outcome.faults)} faults")
    sys.exit(bool(outcome.faults))


if __name__ == "__main__":
    main()
