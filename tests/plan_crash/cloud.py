"""The simulated AWS, a process that outlives those that are killed: it counts the changing calls that it receives.

``GET /ledger`` returns the changing calls as a JSON list of keys, ``DELETE /ledger`` empties it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cloudops_nb.demo.wsgi_layers import Application

#: How long a resource stays in a state such as ``stopping``, in seconds: long enough for a wait to look more than once.
TRANSITION = 0.03
_READS = ("Describe", "Get", "List")


def change_key(action: str, resources: Iterable[str], tags: Iterable[str] = ()) -> str:
    """Return what the ledger calls a changing call."""
    return " ".join([action, *sorted(resources), *sorted(tags)])


class Ledger:
    """A layer around the simulated AWS that notes each changing call before it is carried out."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._keys: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        from cloudops_nb.demo.wsgi_layers import form_fields

        if environ["PATH_INFO"] == "/ledger":
            return self._answer(environ["REQUEST_METHOD"], start_response)
        fields = form_fields(environ)
        action = fields.get("Action", [""])[0]
        if action and not action.startswith(_READS):
            with self._lock:
                self._keys.append(_key(action, fields))
        return self._application(environ, start_response)

    def _answer(self, method: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with self._lock:
            if method == "DELETE":
                self._keys.clear()
            body = json.dumps(self._keys).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def _key(action: str, fields: Mapping[str, Sequence[str]]) -> str:
    prefixes = ("InstanceId.", "ResourceId.", "DBInstanceIdentifier")
    resources = [values[0] for name, values in fields.items() if name.startswith(prefixes)]
    tags = [values[0] for name, values in fields.items() if name.startswith("Tag.") and name.endswith(".Key")]
    return change_key(action, resources, tags)


def main() -> None:
    """Serve on a free port, print it, and end with standard input."""
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    from cloudops_nb.demo.transitions import install_transitions
    from cloudops_nb.demo.wsgi_layers import keep_requests_apart, refuse_dry_runs

    install_transitions(TRANSITION, lambda: False)
    keep_requests_apart()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = refuse_dry_runs(Ledger(DomainDispatcherApplication(create_backend_app)))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
