"""The one loader of the YAML tables that are bundled next to the modules that read them.

Its own module, because every part of the package uses it and it imports no other part.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import yaml


@cache
def bundled_table(package: str, name: str) -> Any:
    """Return the content of a YAML file of a package; it is loaded once per process and shared, so do not change it.

    Args:
        package: The package that holds the file; callers pass ``__package__``, so that both move together.
        name: The file's name, as ``regions.yaml``.
    """
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=yaml.CSafeLoader)
