"""The demo's server process: moto (a simulation of AWS) on a loopback port, with the company's resources.

:mod:`cloudops_nb.demo.process` runs this module as ``python -m cloudops_nb.demo.server``. The process holds an
operating-system lock while it is alive. When all resources exist and the port is open, it writes the port to the state
file.
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

#: moto's settings: do not load its 500 default images, but load AWS's managed policies, because the resources use them.
MOTO_SETTINGS = {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false", "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}

LOOPBACK = "127.0.0.1"

#: How long a new server waits for its lock; longer than another process holds the lock to check it.
LOCK_SECONDS = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; return 1 if the folder already has a server."""
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
        try:
            serve(options.path, seed=options.seed, transition_seconds=options.transition_seconds)
        except Exception:
            # The log must be complete before the lock is free: then the starting process reads the reason from it.
            logging.getLogger(__name__).exception("the server ended")
            return 1
    return 0


def serve(path: Path, *, seed: int, transition_seconds: float) -> None:
    """Create the resources, open the port, write the state file, and serve requests until SIGTERM or SIGINT."""
    state = ServerState(pid=os.getpid(), port=0, seed=seed, transition_seconds=transition_seconds, started=utcnow())
    state.write(path)
    # The objects of the simulated resources are never garbage. If Python's collector traversed them, it would take a
    # third of the time of the start and of each request.
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
    """Create the resources, and return the server with its port open.

    moto is imported here, because it reads its settings from the environment when it is imported.
    """
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
    # Only the company's regions are enabled, so that a scan of its three accounts takes seconds.
    RegionsAndZonesBackend.regions = [region for region in RegionsAndZonesBackend.regions if region.name in used]
    build_estate(company, seed)
    install_transitions(transition_seconds, hold.exists)
    keep_requests_apart()
    # werkzeug would log every request, which would take most of the server's time and would record the user's calls.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = refuse_dry_runs(answer_unused(DomainDispatcherApplication(create_backend_app)))
    return make_server(LOOPBACK, 0, application, threaded=True, request_handler=MotoRequestHandler)


def _detach() -> None:
    """Detach this process from the process that started it, so that Ctrl-C or that process's end does not stop it.

    On Windows, the flags with which the server's process is created do this.
    """
    if sys.platform != "win32":
        if os.fork():
            os._exit(0)
        os.setsid()


if __name__ == "__main__":
    sys.exit(main())
