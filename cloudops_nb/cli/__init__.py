"""The programs ``cloudops-nb`` and ``cloudops-server``.

A command of ``cloudops-nb`` reads its options, calls :class:`cloudops_nb.CloudOps` or the store, and prints the result.
The entry point of ``cloudops-nb`` is :func:`run`. Only :func:`run` imports the commands, so that it can also catch
Ctrl-C during the imports.
"""

from __future__ import annotations

import io
import sys


def run() -> None:
    """Run the command line; Ctrl-C during the imports prints ``Aborted!``, as click does while a command runs."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 cannot show every character; without this, the first such character is an error.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from cloudops_nb.cli.main import main
    except KeyboardInterrupt:
        sys.exit("Aborted!")
    main()
