"""Where the command ``cloudops-nb`` begins; nothing is imported before an interruption is expected."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line; Ctrl-C while it loads is one line, as it is later on."""
    try:
        from cloudops_nb.cli.main import main
    except KeyboardInterrupt:
        sys.exit("Aborted!")
    main()
