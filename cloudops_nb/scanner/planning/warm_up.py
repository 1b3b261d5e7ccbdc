"""What a scan does while it waits to be let into its accounts: it reads botocore's models, and makes clients."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from cloudops_nb.aws.regions import GLOBAL, default_regions
from cloudops_nb.scanner.policies.operations import policy_operations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.aws.account_session import AccountSession
    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.scanner.planning.tasks import Selection
    from cloudops_nb.specs.model import ResourceSpec

_log = logging.getLogger(__name__)
#: A way into an account, and a region for which it has clients.
Place: TypeAlias = "tuple[AccountSession, str]"


@contextmanager
def prepared_meanwhile(chosen: Selection, sessions: AccountSessions) -> Iterator[set[Place]]:
    """Prepare for a scan while the block waits for AWS, as far as one gets; no call is made.

    What fails here is left to whoever needs it, who will come upon it again.

    Yields:
        Where there are clients, once the block has ended.
    """
    over = threading.Event()
    made: set[Place] = set()

    def prepare() -> None:
        for step in _steps(chosen, sessions, made):
            if over.is_set():
                return
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whoever needs it comes upon it again, and tells
                _log.info("what a scan will need was not prepared: %s", type(error).__name__)

    with ThreadPoolExecutor(1, thread_name_prefix="cloudops-preparation") as beside:
        preparing = beside.submit(prepare)
        try:
            yield made
        finally:
            over.set()
    preparing.result()


def _steps(chosen: Selection, sessions: AccountSessions, made: set[Place]) -> Iterator[Callable[[], object]]:
    """Yield what can be done beforehand, in the order in which it will be needed."""
    services = [*(["ec2"] if chosen.regions is None else []), *(each.service for each in policy_operations())]
    for service in dict.fromkeys([*services, *(spec.called for spec in chosen.specs)]):
        yield partial(sessions.preload_model, service)
    for session in sessions.likely_sessions(chosen.accounts):
        regions = default_regions(session.partition) if chosen.regions is None else chosen.regions
        for region, spec in product((GLOBAL, *(each for each in regions if each != GLOBAL)), chosen.specs):
            if (region == GLOBAL) != (spec.scope == "regional"):
                yield partial(_make_client, session, spec, region, made)


def _make_client(session: AccountSession, spec: ResourceSpec, region: str, made: set[Place]) -> None:
    listing = spec.parent.list if spec.parent else spec.list
    where = spec.home or region
    if session.offers(spec.called, where) and not session.caller_is_unchecked:
        made.add((session, region))
        session.client(spec.called, where, listing.operation)
