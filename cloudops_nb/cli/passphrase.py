"""The passphrase of an exported key: typed without an echo, or read from a private file; never an argument."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from cloudops_nb.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def read_passphrase(file: Path | None, *, confirm: bool) -> str:
    """Return the passphrase.

    Args:
        file: Its first line is the passphrase; ``None`` to ask at the terminal.
        confirm: Whether it is asked for twice.

    Raises:
        ConfigurationError: There is no terminal to ask at, or the file cannot be read or is not private.
    """
    if file is None:
        # Without a terminal the answer would be echoed, and a script would wait for it.
        if not sys.stdin.isatty():
            why = "standard input is no terminal"
            raise ConfigurationError("the passphrase cannot be asked for", why, "Give --passphrase-file FILE.")
        typed: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
        return typed
    from cloudops_nb.storage.files.private_files import open_to_others

    try:
        with file.open(encoding="utf-8") as stream:
            if open_to_others(os.fstat(stream.fileno())):
                fix = f"Run: chmod 600 {file}"
                raise ConfigurationError(f"{file} is not private", "its mode lets others read it", fix)
            return stream.readline().rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}", error.strerror or "") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot read {file}", "it is not UTF-8 text") from error
