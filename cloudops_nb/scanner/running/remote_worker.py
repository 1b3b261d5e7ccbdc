"""What is sent to a worker in another process, what it does, and what it sends back.

To a worker go a task, which is a declaration, and the accounts' configuration: names, ids, profiles and roles, and no
credentials. It finds those by the standard AWS chain of the place it runs in. Back come resources and results. Both go
the way that the pool sends everything.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.rate_limit import RateLimits
from cloudops_nb.scanner.policies.verdicts import Verdicts
from cloudops_nb.scanner.reading.task_reader import PageRead, TaskReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloudops_nb.model import Account, CellResult, LearnedRate
    from cloudops_nb.scanner.task import Task

#: Places whose clients a worker keeps: cells come place by place, so it needs few.
_PLACES = 4


@dataclass(frozen=True, slots=True)
class Errand:
    """What all orders of a scan have in common: the accounts, our sessions' label, the scan's word, and threads."""

    accounts: tuple[Account, ...]
    label: str
    word: str
    threads: int


@dataclass(frozen=True, slots=True)
class Order:
    """One task, with what was learned of its place; orders of one place had better go to one worker, which paces them.

    Attributes:
        errand: What it has in common with the scan's other orders.
        task: The task.
        learned: The rates that earlier scans learned in the task's place.
    """

    errand: Errand
    task: Task
    learned: tuple[LearnedRate, ...] = ()

    @property
    def place(self) -> tuple[str, str]:
        """The account and region of the task's calls."""
        return self.task.account.account_id, self.task.region


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of an order: pages and results in their order, and the rates learned in its place."""

    items: tuple[PageRead | CellResult, ...]
    learned: tuple[LearnedRate, ...]


class Workplace:
    """A worker process's side of one scan: its own sessions, buckets and threads; thread-safe."""

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._sessions = AccountSessions(errand.accounts, threads=errand.threads, label=errand.label)
        self._limits = RateLimits()
        self._helpers = ThreadPoolExecutor(errand.threads, thread_name_prefix="cloudops-details")
        self._stop = threading.Event()
        self._verdicts = Verdicts(self._sessions, self._calls)
        self._lock = threading.Lock()
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()

    def read(self, order: Order) -> Delivery:
        """Read one task to its end.

        Raises:
            ScanStoppedError: The scan was stopped.
        """
        self._enter(order)
        account = order.task.account
        calls = self._calls(account.account_id)
        items = tuple(TaskReader(order.task, self._sessions, calls, self._fan_out, self._verdicts.of(account)).read())
        learned = tuple(rate for rate in self._limits.learned() if rate.place[:2] == order.place)
        return Delivery(items, learned)

    def stop(self) -> None:
        """Let no further call begin, and close the connections."""
        self._stop.set()
        self._verdicts.close()
        self._helpers.shutdown(wait=False, cancel_futures=True)
        self._sessions.close()

    def _enter(self, order: Order) -> None:
        with self._lock:
            if order.place not in self._places:
                self._limits.take(order.learned)
            self._places[order.place] = None
            self._places.move_to_end(order.place)
            left = [self._places.popitem(last=False)[0] for _ in range(len(self._places) - _PLACES)]
        for place in left:
            self._sessions.release(*place)

    def _calls(self, account_id: str) -> AwsCalls:
        return AwsCalls(self._sessions, account_id, self._limits, self._stop, self._errand.word)

    def _fan_out(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Sequence[Any]:
        return list(self._helpers.map(function, items))


_workplaces: dict[Errand, Workplace] = {}
_guard = threading.Lock()


def carry_out(order: Order) -> Delivery:
    """Read an order's task in this process; what a pool calls."""
    with _guard:
        if order.errand not in _workplaces:
            _workplaces[order.errand] = Workplace(order.errand)
        workplace = _workplaces[order.errand]
    return workplace.read(order)


def stop(errand: Errand) -> None:
    """Stop what this process does for a scan, and forget it."""
    with _guard:
        workplace = _workplaces.pop(errand, None)
    if workplace is not None:
        workplace.stop()
