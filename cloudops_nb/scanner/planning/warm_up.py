"""Prepares a scan while it waits for access to its accounts: reads botocore's models and creates clients."""

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
#: A session of an account, and a region in which it has clients.
SessionRegion: TypeAlias = "tuple[AccountSession, str]"


@contextmanager
def background_warm_up(chosen: Selection, sessions: AccountSessions) -> Iterator[set[SessionRegion]]:
    """Prepare for a scan in a thread while the block waits for AWS; makes no call.

    A failed preparation is logged and skipped: the scan meets the same failure and reports it.

    Yields:
        The sessions and regions that have clients, complete at the end of the block.
    """
    ended = threading.Event()
    made: set[SessionRegion] = set()

    def prepare() -> None:
        for step in _warm_up_steps(chosen, sessions, made):
            if ended.is_set():
                return
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the scan meets the same failure and reports it
                _log.info("a preparation for a scan failed: %s", type(error).__name__)

    with ThreadPoolExecutor(1, thread_name_prefix="cloudops-preparation") as pool:
        preparing = pool.submit(prepare)
        try:
            yield made
        finally:
            ended.set()
    preparing.result()


def _warm_up_steps(
    chosen: Selection, sessions: AccountSessions, made: set[SessionRegion]
) -> Iterator[Callable[[], object]]:
    """Yield the possible preparations, in the order in which the scan needs them."""
    services = [*(["ec2"] if chosen.regions is None else []), *(each.service for each in policy_operations())]
    for service in dict.fromkeys([*services, *(spec.called for spec in chosen.specs)]):
        yield partial(sessions.preload_model, service)
    for session in sessions.likely_sessions(chosen.accounts):
        regions = default_regions(session.partition) if chosen.regions is None else chosen.regions
        for region, spec in product((GLOBAL, *(each for each in regions if each != GLOBAL)), chosen.specs):
            # Regional types are listed in real regions only, all other types only in the global one.
            if (region == GLOBAL) != (spec.scope == "regional"):
                yield partial(_make_client, session, spec, region, made)


def _make_client(session: AccountSession, spec: ResourceSpec, region: str, made: set[SessionRegion]) -> None:
    listing = spec.parent.list if spec.parent else spec.list
    where = spec.home or region
    # A preparation makes no call, but the first client of renewed credentials would ask AWS whose they are.
    if session.offers(spec.called, where) and not session.caller_is_unchecked:
        made.add((session, region))
        session.client(spec.called, where, listing.operation)
