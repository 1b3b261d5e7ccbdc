"""``cloudops-nb demo``: the simulated AWS, up and down, and how to point a shell at it."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudops_nb import demo as simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., None]


def _path_option(command: Command) -> Command:
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option("--path", type=kind, help="The demo's folder; one for the whole user if not set.")(command)


@click.group()
def demo() -> None:
    """A simulated AWS on this host: three accounts of an online shop, no way to a real one."""


@demo.command()
@_path_option
@click.option("--seed", type=int, help="Decides every id; always the same ids if not set.")
@click.option(
    "--transition-seconds",
    type=click.FloatRange(0, 600),
    help="How long EC2 and RDS stay in states such as 'stopping'; 1.5 if not set.",
)
def up(path: Path | None, seed: int | None, transition_seconds: float | None) -> None:
    """Start it, or find it running, and say how to reach it."""
    began = time.monotonic()
    running = simulation.up(path, seed=seed, transition_seconds=transition_seconds)
    names = ", ".join(account["name"] for account in running.accounts)
    click.echo(f"The demo answers at {running.endpoint} after {time.monotonic() - began:.1f} s.")
    click.echo(f"Profiles: {names}. Regions: {', '.join(running.regions)}. Seed: {running.seed}.")
    suffix = f" --path {shlex.quote(str(path))}" if path else ""
    click.echo(f'Point this shell at it: eval "$(cloudops-nb demo env{suffix})"')


@demo.command()
@_path_option
def down(path: Path | None) -> None:
    """Stop it; its estate is forgotten."""
    click.echo("The demo has stopped." if simulation.down(path) else "No demo was running.")


@demo.command()
@_path_option
def status(path: Path | None) -> None:
    """Say whether it runs; exit with 1 if it is not ready."""
    found = simulation.status(path)
    if found.state == "down":
        click.echo(f"down ({found.path})")
    else:
        click.echo(f"{found.state} {found.endpoint} pid {found.pid} seed {found.seed} since {found.started}")
    if found.state != "running":
        raise click.exceptions.Exit(1)


@demo.command()
@_path_option
@click.option("--json", "as_json", is_flag=True, help="As JSON: variables to set, null for those to remove.")
def env(path: Path | None, as_json: bool) -> None:
    """Print shell commands that point a shell at the running demo and away from every real account."""
    running = simulation.find(path)
    if as_json:
        click.echo(json.dumps({**dict.fromkeys(running.unset), **running.environment}, indent=2))
        return
    if os.name == "nt":
        lines = [f"$Env:{name} = '{value}'" for name, value in running.environment.items()]
        lines += [f"Remove-Item Env:{name} -ErrorAction SilentlyContinue" for name in running.unset]
    else:
        lines = [f"export {name}={shlex.quote(value)}" for name, value in running.environment.items()]
        lines += [f"unset {name}" for name in running.unset]
    click.echo("\n".join(lines))
