"""The demo's server process: moto behind a loopback port, filled with the company's estate.

:mod:`cloudops_nb.demo.process` runs it as ``python -m cloudops_nb.demo.server``. While it is alive it holds an
operating-system lock, which shows that it runs. It writes its port to the state file when the estate is complete.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from cloudops_nb.demo.company import load_company
from cloudops_nb.demo.state import ServerState, alive_path, hold_path, utcnow

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

#: Settings of moto: without its 500 default images, but with AWS's managed policies, which the estate attaches.
MOTO_SETTINGS = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false", "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}

LOOPBACK = "127.0.0.1"

#: Longer than another process's check of the lock.
LOCK_SECONDS = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until terminated; return 1 when another server already has the folder."""
    parser = argparse.ArgumentParser(prog="cloudops_nb.demo.server")
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--transition-seconds", type=float, required=True)
    options = parser.parse_args(arguments)
    _detach()
    lock = FileLock(alive_path(options.path), mode=0o600)
    try:
        held = lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        return 1
    with held:
        serve(options.path, seed=options.seed, transition_seconds=options.transition_seconds)
    return 0


def serve(path: Path, *, seed: int, transition_seconds: float) -> None:
    """Build the estate, open the port, write the ready state, and answer requests until SIGTERM or SIGINT."""
    state = ServerState(pid=os.getpid(), port=0, seed=seed, transition_seconds=transition_seconds, started=utcnow())
    state.write(path)
    # The estate's objects stay alive. Searching them for garbage would take a third of the time, here and per request.
    gc.disable()
    server = _open_server(seed, transition_seconds, hold_path(path))
    gc.collect()
    gc.freeze()
    gc.enable()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    thread = threading.Thread(target=server.serve_forever, name="moto", daemon=True)
    thread.start()
    state.opened(server.port).write(path)
    stop.wait()
    server.shutdown()
    server.server_close()


def _open_server(seed: int, transition_seconds: float, hold: Path) -> BaseWSGIServer:
    """Return the bound server over a finished estate; moto reads its settings when it is imported, hence late."""
    os.environ.update(MOTO_SETTINGS)
    from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    from cloudops_nb.demo.builder.estate import build_estate
    from cloudops_nb.demo.transitions import install_transitions
    from cloudops_nb.demo.unused_services import answer_unused
    from cloudops_nb.demo.wsgi_layers import keep_requests_apart, refuse_dry_runs

    company = load_company()
    used = set(company.regions)
    # The company has disabled every other region, so that a scan of its three accounts takes seconds.
    RegionsAndZonesBackend.regions = [region for region in RegionsAndZonesBackend.regions if region.name in used]
    build_estate(company, seed)
    install_transitions(transition_seconds, hold.exists)
    keep_requests_apart()
    # Logging each request would be most of the server's work, and the log would contain the user's calls.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = refuse_dry_runs(answer_unused(DomainDispatcherApplication(create_backend_app)))
    return make_server(LOOPBACK, 0, application, threaded=True, request_handler=MotoRequestHandler)


def _detach() -> None:
    """Detach from the starting process, so that its Ctrl-C or its end does not stop this one."""
    if sys.platform != "win32":
        if os.fork():
            os._exit(0)
        os.setsid()


if __name__ == "__main__":
    sys.exit(main())
