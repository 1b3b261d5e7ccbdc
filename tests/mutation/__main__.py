"""``python -m tests.mutation``: try each mutant, print the table, end with status 1 if the list and the run differ."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter

import click

from tests.mutation.equivalent import listed
from tests.mutation.mutants import MODULES, Key, mutants, path_of
from tests.mutation.trial import covering, survivors


@click.command()
@click.option(
    "--processes", default=os.cpu_count(), show_default=True, type=click.IntRange(1), help="How many at once."
)
@click.option(
    "--module", "modules", multiple=True, default=MODULES, type=click.Choice(MODULES), help="Only this module."
)
def main(processes: int, modules: tuple[str, ...]) -> None:
    """Change the code in small ways, and check that a test fails at each change."""
    begin = time.monotonic()
    known = covering()
    made = [each for module in modules for each in mutants(module, path_of(module).read_text("utf-8"))]
    argued, alive = listed(modules), list[Key]()
    for each in survivors(made, known, processes):
        alive.append(each.key)
        if each.key not in argued:
            click.echo(f"SURVIVED: {_shown(each.key)}")
    counts = Counter(each.key.module for each in made)
    click.echo(f"{'module':32}{'mutants':>9}{'killed':>9}{'equivalent':>12}{'survived':>10}")
    for module in modules:
        live = [each for each in alive if each.module == module]
        equivalent = sum(1 for each in live if each in argued)
        figures = (counts[module], counts[module] - len(live), equivalent, len(live) - equivalent)
        click.echo("{:32}{:>9}{:>9}{:>12}{:>10}".format(module, *figures))
    click.echo(f"{(time.monotonic() - begin) / 60:.0f} minutes")
    for key in argued:
        if key not in alive:
            click.echo(f"DEAD OR NOT MADE, but listed as equivalent: {_shown(key)}")
    sys.exit(set(alive) != set(argued))


def _shown(key: Key) -> str:
    return f"{key.module} {key.function}\n    - {key.line}\n    + {key.becomes}"


if __name__ == "__main__":
    main()
