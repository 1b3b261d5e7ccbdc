"""The estates that the labelled queries are asked of."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.estate import resources
from cloudops_nb.model import Account
from cloudops_nb.scanner.reading import PageRead
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.scanner.sessions import AccountSessions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloudops_nb.demo import Demo
    from cloudops_nb.model import Resource


def generated(count: int) -> list[Resource]:
    """The first resources of the made-up company of the benchmarks."""
    return list(resources(count))


def scanned(demo: Demo) -> list[Resource]:
    """Every resource of the demo, as a scan of all its accounts finds it."""
    with _inside(demo):
        scanner = Scanner(AccountSessions([Account(one["name"], profile=one["profile"]) for one in demo.accounts]))
        return [resource for item in scanner.scan() if isinstance(item, PageRead) for resource in item.resources]


@contextmanager
def _inside(demo: Demo) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in demo.environment.items():
            patch.setenv(name, value)
        yield
