"""Looks that end in time."""

from __future__ import annotations

import threading

import pytest

from cloudops_nb.storage.deadline import within

pytestmark = pytest.mark.fast


def test_a_look_that_takes_too_long_is_not_waited_for() -> None:
    forever = threading.Event()
    try:
        assert within(0.01, forever.wait, None) is None
    finally:
        forever.set()


def test_a_look_in_time_says_what_it_found_or_raises() -> None:
    def failing() -> int:
        raise LookupError

    assert within(30, lambda: 7, 0) == 7
    with pytest.raises(LookupError):
        within(30, failing, 0)
