"""The commands ``cloudops-nb`` and ``cloudops-server``: thin shells over :class:`cloudops_nb.CloudOps`.

:func:`run` is the entry point of ``cloudops-nb``. It is defined here and imports the commands itself, so that it
also catches Ctrl-C during the imports.
"""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line; Ctrl-C during the imports prints ``Aborted!``, as click does while a command runs."""
    try:
        from cloudops_nb.cli.main import main
    except KeyboardInterrupt:
        sys.exit("Aborted!")
    main()
