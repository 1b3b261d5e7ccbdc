"""``python -m tests.corrupt``: flip bits, print the figures, end with status 1 at a fault."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tests.corrupt.driver import run
from tests.corrupt.places import KINDS
from tests.storage.conftest import ended_owners, quick_folder

if TYPE_CHECKING:
    from tests.corrupt.places import Kind

#: The largest address space of the store's processes, in bytes: a damaged length must not use up the machine's memory.
_LARGEST_SPACE = 16 << 30


@click.command()
@click.option("--flips", default=60, show_default=True, type=click.IntRange(1), help="How many bits per kind of file.")
@click.option("--seed", default=1, show_default=True, help="Another one chooses other bits.")
@click.option("--kind", "kinds", multiple=True, default=KINDS, type=click.Choice(KINDS), help="Only this kind of file.")
def main(flips: int, seed: int, kinds: tuple[Kind, ...]) -> None:
    """Flip bits in the files of a store and check that the damage is bounded, reported and mended."""
    resource.setrlimit(resource.RLIMIT_AS, (_LARGEST_SPACE, _LARGEST_SPACE))
    click.echo(f"seed {seed}")
    with quick_folder() as folder, ended_owners(Path(folder)):
        outcomes = run(folder, seed, flips, kinds)
    for each in outcomes:
        figures = ", ".join(f"{each.counts[name]} {name}" for name in ("flips", "opened", "refused", "healed"))
        click.echo(f"{each.kind}: {figures}; slowest opening {each.slowest:.1f} s")
    faults = [fault for each in outcomes for fault in each.faults]
    for fault in faults:
        click.echo(f"FAULT: {fault}")
    click.echo(f"{len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
