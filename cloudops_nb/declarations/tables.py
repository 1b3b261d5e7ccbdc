"""Loads the YAML tables that are in the package, next to the modules that read them.

A separate module without imports from the package, because every part of the package uses it.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml


@cache
def bundled_table(package: str, name: str) -> Any:
    """Return the data of a bundled YAML file. It is loaded once per process and shared, so callers must not change it.

    Args:
        package: The package that contains the file. Callers pass ``__package__``, so that the file can move with them.
        name: The file's name, such as ``regions.yaml``.
    """
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.CSafeLoader)
