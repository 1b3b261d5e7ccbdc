"""The commands ``cloudops-nb`` and ``cloudops-server``: thin shells over :class:`cloudops_nb.CloudOps`.

:func:`run` is the entry point of ``cloudops-nb``. It is in this module, which imports nothing, because Ctrl-C during
the imports must be caught too.
"""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line; Ctrl-C while it loads prints one line, as it does later."""
    try:
        from cloudops_nb.cli.main import main
    except KeyboardInterrupt:
        sys.exit("Aborted!")
    main()
