"""``python -m tests.plan_crash``: kill plans at every point, print the counts, end with status 1 at a fault."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tests.plan_crash.aws import simulated_aws
from tests.plan_crash.driver import Driver, Share

if TYPE_CHECKING:
    from collections import Counter


@click.command()
@click.option("--plans", default=40, show_default=True, type=click.IntRange(1), help="How many plans to kill.")
@click.option("--seed", default=1, show_default=True, help="Another one chooses other plans and other random moments.")
@click.option("--every", default=1, show_default=True, type=click.IntRange(1), help="Kill at one of so many points.")
def main(plans: int, seed: int, every: int) -> None:
    """Kill plans at every step boundary and at random moments, and check what is left."""
    chance = random.Random(seed)  # noqa: S311 - repeatable
    with tempfile.TemporaryDirectory() as name, simulated_aws() as aws:
        outcome = Driver(Path(name), aws, chance, Share(every)).run(plans, click.echo)
    click.echo(f"{outcome.plans.total()} plans: {_counted(outcome.plans)}")
    click.echo(f"{outcome.kills.total()} kills: {_counted(outcome.kills)}")
    click.echo(f"at or after: {_counted(outcome.met)}")
    click.echo(f"calls left unknown: {outcome.unknown.total()}: {_counted(outcome.unknown)}")
    click.echo(f"runs that were over before the kill: {outcome.unmet.total()}: {_counted(outcome.unmet)}")
    for fault in outcome.faults:
        click.echo(f"FAULT: {fault}")
    click.echo(f"{len(outcome.faults)} faults")
    sys.exit(bool(outcome.faults))


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


if __name__ == "__main__":
    main()
