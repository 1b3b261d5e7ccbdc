"""The only way into this package: the fast parts if the installed botocore fits them, otherwise plain botocore.

The fast parts build on undocumented names of botocore, which any version may change. So at the first use in a process,
they are checked against the installed botocore (:mod:`.undocumented`). If one name differs, all fast parts are left
out: a scan is slower, and its results are the same.
"""

from __future__ import annotations

import os
import threading
import warnings
from functools import cache
from typing import TYPE_CHECKING

import botocore
from botocore import parsers
from botocore.loaders import create_loader
from botocore.session import Session

from cloudops_nb.aws.fast_botocore.service_models import NarrowModels
from cloudops_nb.aws.fast_botocore.undocumented import first_problem
from cloudops_nb.errors import CloudOpsWarning

if TYPE_CHECKING:
    from botocore.loaders import Loader

#: The version of botocore with which this package is tested: the one in ``constraints.txt``.
TESTED_VERSION = "1.44.8"
_FIX = "Install botocore {} to scan faster, or update cloudops-nb."
_check_lock = threading.Lock()


class _UnreadableResponseError(Exception):
    """Replaces botocore's exception in a version in which it has another name."""


#: botocore's exception for a response that it cannot read; its name is undocumented.
ParserError: type[Exception] = getattr(parsers, "ResponseParserError", _UnreadableResponseError)


def plain_reason() -> str:
    """Return why plain botocore replaces the fast parts; empty if they are in use.

    The first call of a process warns, with a :class:`CloudOpsWarning`, if the reason is not empty.
    """
    with _check_lock:
        return _checked()


def fast_parts_in_use() -> bool:
    """Return whether the installed botocore fits the fast parts; warns as :func:`plain_reason` does."""
    return not plain_reason()


def botocore_status() -> str:
    """Return the installed version of botocore, the tested one, and whether the fast parts are in use, in one line."""
    reason = plain_reason()
    tested = f"{botocore.__version__} (tested with {TESTED_VERSION})"
    return f"{tested}; scans are slower, with plain botocore: {reason}" if reason else tested


def plain_loader() -> Loader:
    """Return botocore's own loader of its data files and of those in the folders of ``AWS_DATA_PATH``."""
    return create_loader(os.environ.get("AWS_DATA_PATH"))


def data_loader() -> Loader:
    """Return a loader as :func:`plain_loader` does, which reads the files faster if the fast parts are in use."""
    loader = plain_loader()
    if fast_parts_in_use():
        from cloudops_nb.aws.fast_botocore.data_files import QuickFileLoader

        loader.file_loader = QuickFileLoader()
    return loader


def scan_models(loader: Loader) -> NarrowModels:
    """Return the models of services for the clients of scans; with plain botocore, they are complete.

    Args:
        loader: The loader of complete models.
    """
    return NarrowModels(loader, keep_complete=not fast_parts_in_use())


def scan_session(profile: str) -> Session:
    """Return a botocore session for the clients of scans, which only read.

    Args:
        profile: The AWS profile; the default one if empty.
    """
    if not fast_parts_in_use():
        return Session(profile=profile or None)
    from cloudops_nb.aws.fast_botocore.event_hooks import QuickSession
    from cloudops_nb.aws.fast_botocore.response_parsers import QuickParserFactory

    session = QuickSession(profile or None)
    session.register_component("response_parser_factory", QuickParserFactory())
    return session


@cache
def _checked() -> str:
    reason = first_problem()
    if reason:
        what = f"plain botocore {botocore.__version__} is in use, and scans are slower"
        warnings.warn(f"{what}: {reason}; {_FIX.format(TESTED_VERSION)}", CloudOpsWarning, stacklevel=2)
    return reason
