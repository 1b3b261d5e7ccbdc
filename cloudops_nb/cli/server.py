"""``cloudops-server``: runs the playbook server as a separate program, which notebooks reach over HTTP."""

from __future__ import annotations

import logging
import os

import click

from cloudops_nb.settings import SERVER_TOKEN_VARIABLE

#: Connections that are open at once; further ones get the status 503. A notebook opens one for each request.
_MOST_CONNECTIONS = 200


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535))
def main(host: str, port: int) -> None:
    """Run a playbook server, which needs no AWS credentials and keeps no state.

    If the environment variable CLOUDOPS_SERVER_TOKEN is set, clients must send its value as a bearer token. It must be
    set unless --host is 127.0.0.1, localhost or ::1.
    """
    try:
        import uvicorn

        from cloudops_nb.server.app import ShortConnection, create_app
    except ImportError as error:
        raise click.ClickException(f"{error.name} is not installed; run: pip install 'cloudops-nb[server]'") from None
    from cloudops_nb.server.pipeline import PlaybookServer
    from cloudops_nb.ssm.catalogue import Catalogue

    token = os.environ.get(SERVER_TOKEN_VARIABLE, "")
    if not token and host not in {"127.0.0.1", "localhost", "::1"}:
        raise click.ClickException(
            f"{host} may be reachable from other hosts, and there is no bearer token; set {SERVER_TOKEN_VARIABLE}"
        )
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    app = create_app(PlaybookServer(Catalogue.bundled()), token=token)
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=ShortConnection,
        headers=[("Connection", "close")],
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
    )
