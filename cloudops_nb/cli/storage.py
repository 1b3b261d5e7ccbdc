"""``cloudops-nb move``: take the store's collections to a Qdrant server, or back to this host."""

from __future__ import annotations

import click


@click.command()
@click.option("--to", required=True, type=click.Choice(["remote", "embedded"]), help="Where to take the collections.")
@click.option("--url", default="", help="The Qdrant server's address, if the settings do not name it.")
@click.option("--prefix", default="", help="What the collections' names begin with there; qdrant_prefix if not given.")
@click.pass_context
def move(context: click.Context, to: str, url: str, prefix: str) -> None:
    """Take the estate and the conversations to a Qdrant server, or back to this host.

    Close every notebook that uses the store first. The server's key is read from CLOUDOPS_QDRANT_API_KEY, or from
    config.toml. A move that was cut short is finished by the same command.
    """
    from cloudops_nb.cli.opening import existing_store
    from cloudops_nb.errors import CloudOpsError
    from cloudops_nb.settings import load_settings
    from cloudops_nb.storage.engines.choice import check_engine
    from cloudops_nb.storage.files.store_file import StoreFile
    from cloudops_nb.storage.maintenance.engine_move import move_store

    settings = load_settings(context.obj)
    existing_store(settings)
    moved = move_store(settings, "remote" if to == "remote" else "embedded", url=url, prefix=prefix)
    counted = ", ".join(f"{count} points of {name}" for name, count in moved.points.items())
    click.echo(f"The store lies in {moved.place}" + (f"; {counted} were copied and compared." if counted else "."))
    for problem in moved.problems:
        click.echo(problem, err=True)
    header = StoreFile(settings.data_path).read()
    try:
        if header is not None:
            check_engine(header, load_settings(context.obj))
    except CloudOpsError as error:
        click.echo(f"A variable of the environment still names another place: {error.why}.", err=True)
