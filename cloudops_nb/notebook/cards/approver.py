"""Who decides: the kernel's operating system user, and whom the front end names, told apart."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

#: What Jupyter clients send when they know no name.
_NO_NAME = frozenset({"", "username"})


def kernel_user() -> str:
    """Return the operating system's user whose kernel this is; what it does is done as that user."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user id without a passwd entry
        return f"uid {os.getuid()}"


def approver(shell: InteractiveShell) -> str:
    """Return who is recorded as deciding: the kernel's user, and whom the front end names, as its claim."""
    user = kernel_user()
    claimed = _front_end_user(shell)
    return user if claimed in _NO_NAME or claimed == user else f"{user} (the front end says {claimed})"


def _front_end_user(shell: InteractiveShell) -> str:
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return ""
    header = kernel.get_parent().get("header", {})
    return str(header.get("username", ""))
