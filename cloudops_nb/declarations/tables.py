"""Loads the YAML tables that are in the package, next to the modules that read them.

This module imports nothing from the package, because every part of the package uses it.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml


@cache
def bundled_table(package: str, name: str) -> Any:
    """Return the data of a bundled YAML file. All callers share the data, so they must not change it.

    The file is loaded once per process.

    Args:
        package: The package that contains the file. A caller passes its ``__package__``, so the two can move together.
        name: The file's name, such as ``regions.yaml``.
    """
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.CSafeLoader)
