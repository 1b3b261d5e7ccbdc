"""A scan that is interrupted, and the threads that do its work."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.model import CellState
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.running.row_budget import RowBudget, giving_back
from cloudops_nb.specs.files import bundled_specs
from tests.scanner.moto_estate import PROD
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable


def test_closing_stops_before_the_next_call_and_leaves_the_remaining_cells(
    make_scanner: Callable[..., Any], faults: Any
) -> None:
    specs = [paged(spec) for spec in bundled_specs() if spec.resource_type == "dynamodb_table"]
    scanner = make_scanner(events=faults.events, specs=specs, threads=1)
    items = scanner.scan(regions=["eu-west-1", "us-east-1"], accounts=["prod"])
    first = next(items)
    assert isinstance(first, PageRead)
    items.close()
    scanner.unread()
    states = {str(left.key): left for left in scanner.remaining()}
    assert states[f"{PROD}/eu-west-1/dynamodb_table"].state is CellState.PARTIAL
    assert states[f"{PROD}/eu-west-1/dynamodb_table"].detail.startswith("interrupted after ")
    assert states[f"{PROD}/us-east-1/dynamodb_table"].state is CellState.PENDING
    assert faults.calls["dynamodb:ListTables", PROD, "us-east-1"] == 0


def test_an_interrupt_in_the_consumer_ends_the_workers(make_scanner: Callable[..., Any]) -> None:
    scanner = make_scanner()

    def interrupt(progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(scanner.scan(regions=["eu-west-1"], progress=interrupt))
    assert all(left.state in (CellState.PARTIAL, CellState.PENDING) for left in scanner.remaining())
    for thread in threading.enumerate():
        if thread.name.startswith("cloudops-scan"):
            thread.join(timeout=30)
            assert not thread.is_alive()


def test_a_slow_consumer_makes_the_workers_wait(make_scanner: Callable[..., Any], faults: Any) -> None:
    """With room for two rows that nobody writes, workers cannot run through the whole estate."""
    scanner, budget = make_scanner(events=faults.events, threads=1), RowBudget(limit=2)
    items = scanner.scan(regions=["eu-west-1", "us-east-1"], budget=budget)
    first = next(items)
    until(lambda: budget.full, "the filling of the budget")
    made = faults.calls.total()
    budget.give_back([first])
    rest = list(giving_back(items, budget))
    assert made < faults.calls.total()
    assert len(rest) > 4


def test_an_executor_of_ones_own_is_used_and_left_running(
    make_scanner: Callable[..., Any], collect: Callable[..., Any]
) -> None:
    with ThreadPoolExecutor(2, thread_name_prefix="mine") as pool:
        found = collect(make_scanner(executor=pool), services=["s3", "dynamodb"])
        assert found.names("s3_bucket") == ["far-bucket", "near-bucket"]
        assert pool.submit(lambda: 1).result() == 1


def test_details_with_one_thread_do_not_wait_for_each_other(
    make_scanner: Callable[..., Any], collect: Callable[..., Any]
) -> None:
    found = collect(make_scanner(threads=1), services=["dynamodb", "s3"])
    assert {each.state for each in found.results.values()} <= {CellState.OK, CellState.OK_EMPTY}


def test_what_was_read_before_an_interrupt_can_still_be_taken(make_scanner: Callable[..., Any]) -> None:
    """A page that waits in the queue is estate that was paid for with a call."""
    scanner, budget = make_scanner(threads=1), RowBudget(limit=4)
    items = scanner.scan(regions=["eu-west-1"], accounts=["prod"], budget=budget)
    taken = [next(items)]
    until(lambda: budget.full, "the filling of the budget")
    items.close()
    taken += scanner.unread()
    assert len(taken) > 1
    ended = {item.key for item in taken if not isinstance(item, PageRead)}
    assert ended
    assert not ended & {left.key for left in scanner.remaining()}


def test_a_scanner_that_never_scanned_has_nothing_left(make_scanner: Callable[..., Any]) -> None:
    assert make_scanner().remaining() == []
    assert make_scanner().unread() == []


def paged(spec: Any) -> Any:
    """Return the spec with pages of one item."""
    return spec.model_copy(update={"list": spec.list.model_copy(update={"page_size": 1})})
