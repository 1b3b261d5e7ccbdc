"""Rows flow from AWS to the store no faster than they are written."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.scanner.running.row_budget import RowBudget

pytestmark = pytest.mark.fast


def page(rows: int) -> Any:
    return SimpleNamespace(resources=[None] * rows)


RESULT = CellResult(
    CellKey("123456789012", "eu-west-1", "sqs_queue"), CellState.OK, datetime(2026, 1, 1, tzinfo=UTC), 0.0
)


def test_a_reader_waits_at_the_limit_until_rows_are_written() -> None:
    budget = RowBudget(limit=10)
    assert budget.take(page(10))
    taken = threading.Event()

    def read() -> None:
        budget.take(page(1))
        taken.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert not taken.wait(0.05)
    budget.give_back([page(5), page(5)])
    assert taken.wait(30)


def test_a_page_larger_than_the_limit_is_admitted_alone() -> None:
    budget = RowBudget(limit=10)
    assert budget.take(page(500))
    stop = threading.Event()
    stop.set()
    assert not budget.take(RESULT, stop=stop)
    budget.give_back([page(500)])
    assert budget.take(RESULT)


def test_a_stopped_scan_waits_for_no_room() -> None:
    budget, stop = RowBudget(limit=1), threading.Event()
    assert budget.take(RESULT, stop=stop)
    waiting = threading.Thread(target=lambda: results.append(budget.take(RESULT, stop=stop)), daemon=True)
    results: list[bool] = []
    waiting.start()
    stop.set()
    waiting.join(30)
    assert results == [False]


def test_a_lifted_limit_lets_every_reader_through() -> None:
    budget = RowBudget(limit=1)
    budget.take(page(3))
    reader = threading.Thread(target=lambda: budget.take(page(3)), daemon=True)
    reader.start()
    budget.lift()
    reader.join(30)
    assert not reader.is_alive()


def test_pages_that_arrive_together_are_admitted_together() -> None:
    """A remote task brings all of its pages at once, and the thread that takes room for them also passes them on."""
    budget, stop = RowBudget(limit=15), threading.Event()
    stop.set()
    pages = [page(10), page(10), page(10)]
    assert budget.take(*pages)
    assert not budget.take(page(1), stop=stop)
    budget.give_back(pages)
    assert budget.take(page(1))
