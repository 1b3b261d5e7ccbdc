"""Loads botocore's models and creates clients in the background, while a scan waits for access to its accounts."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from cloudops_nb.aws.regions import GLOBAL, default_regions
from cloudops_nb.scanner.policies.policy_calls import policy_operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.aws.account_session import AccountSession
    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.scanner.task import Selection
    from cloudops_nb.specs.model import ResourceSpec

_log = logging.getLogger(__name__)
#: The session of an account, and a region in which the session has clients.
SessionRegion: TypeAlias = "tuple[AccountSession, str]"


@contextmanager
def background_warm_up(selection: Selection, sessions: AccountSessions) -> Iterator[set[SessionRegion]]:
    """Load models and create clients in a thread while the ``with`` block waits for AWS; makes no call.

    A step that fails is logged and skipped: the scan meets the same failure and reports it.

    Yields:
        The sessions, each with a region, for which clients were created. The set is complete only after the block.
    """
    stop = threading.Event()
    with_clients: set[SessionRegion] = set()

    def run_steps() -> None:
        for step in _warm_up_steps(selection, sessions, with_clients):
            if stop.is_set():
                return
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the scan meets the same failure and reports it
                _log.info("a client or model could not be prepared for a scan: %s", type(error).__name__)

    with ThreadPoolExecutor(1, thread_name_prefix="cloudops-warm-up") as pool:
        running = pool.submit(run_steps)
        try:
            yield with_clients
        finally:
            stop.set()
    running.result()


def _warm_up_steps(
    selection: Selection, sessions: AccountSessions, with_clients: set[SessionRegion]
) -> Iterator[Callable[[], object]]:
    """Yield the steps, in the order in which the scan needs their results."""
    services = [*(["ec2"] if selection.regions is None else []), *(each.service for each in policy_operations())]
    for service in dict.fromkeys([*services, *(spec.called for spec in selection.specs)]):
        yield partial(sessions.preload_model, service)
    for session in sessions.likely_sessions(selection.accounts):
        regions = default_regions(session.partition) if selection.regions is None else selection.regions
        for region, spec in product((GLOBAL, *(each for each in regions if each != GLOBAL)), selection.specs):
            # Regional types are listed only in real regions, and all other types only in the region "global".
            if (region == GLOBAL) != (spec.scope == "regional"):
                yield partial(_create_client, session, spec, region, with_clients)


def _create_client(session: AccountSession, spec: ResourceSpec, region: str, with_clients: set[SessionRegion]) -> None:
    first_listing = spec.parent.list if spec.parent else spec.list
    call_region = spec.home or region
    # The first client after a renewal of credentials calls AWS for the caller identity, but a warm-up makes no calls.
    if session.offers(spec.called, call_region) and not session.caller_is_unchecked:
        with_clients.add((session, region))
        session.client(spec.called, call_region, first_listing.operation)
