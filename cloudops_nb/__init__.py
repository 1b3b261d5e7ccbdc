"""An AWS operations assistant for notebooks: ``%load_ext cloudops_nb``, or ``CloudOps`` from Python.

``import cloudops_nb`` is fast, because it imports only the version. Other modules are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudops_nb.version import VERSION

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from cloudops_nb.client.answer import Answer
    from cloudops_nb.client.cloudops import CloudOps
    from cloudops_nb.errors import CloudOpsError

__version__ = VERSION
__all__ = [
    "Answer",
    "CloudOps",
    "CloudOpsError",
    "__version__",
    "load_ipython_extension",
    "unload_ipython_extension",
]

#: Public names that are imported when first used, and the module of each, relative to this package.
_HOMES = {"Answer": "client.answer", "CloudOps": "client", "CloudOpsError": "errors"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics, completion and displays in an IPython shell. Access no network and print nothing."""
    from cloudops_nb.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove everything that :func:`load_ipython_extension` registered."""
    from cloudops_nb.notebook.extension import unload

    unload(shell)
