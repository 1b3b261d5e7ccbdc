"""Garbage collection is rare during a scan, and as before when it has ended."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.scanner.running.garbage_collection import InfrequentGarbageCollection
from cloudops_nb.scanner.scan import Scanner
from tests.scanner.bundled import bundled_spec
from tests.synthetic_aws import EstateOfSpecs, SyntheticAws

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def thresholds() -> Iterator[tuple[int, ...]]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield gc.get_threshold()
    gc.set_threshold(*before)


@pytest.mark.fast
def test_the_collectors_thresholds_are_restored_when_the_last_scan_ends(thresholds: tuple[int, ...]) -> None:
    rare = InfrequentGarbageCollection()
    rare.__enter__()
    with rare:
        assert gc.get_threshold()[0] > thresholds[0]
        assert gc.get_threshold()[1:] == thresholds[1:]
    assert gc.get_threshold()[0] > thresholds[0]
    rare.__exit__(None, None, None)
    assert gc.get_threshold() == thresholds


@pytest.fixture
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.fast
def test_objects_from_before_a_scan_are_frozen_during_it(thawed: None) -> None:
    # How many objects are frozen changes, as some of them are no longer needed.
    rare = InfrequentGarbageCollection()
    with rare:
        assert gc.get_freeze_count()
        with rare:
            assert gc.get_freeze_count()
        assert gc.get_freeze_count()
    assert not gc.get_freeze_count()


@pytest.mark.fast
def test_objects_that_other_code_froze_stay_frozen(thawed: None) -> None:
    gc.freeze()
    with InfrequentGarbageCollection():
        assert gc.get_freeze_count()
    assert gc.get_freeze_count()


@pytest.mark.fast
def test_thresholds_that_other_code_set_stay(thresholds: tuple[int, ...]) -> None:
    with InfrequentGarbageCollection():
        gc.set_threshold(900, 5, 5)
    assert gc.get_threshold() == (900, 5, 5)
    for fewer in (0, 1_000_000):
        gc.set_threshold(fewer)
        with InfrequentGarbageCollection():
            assert gc.get_threshold()[0] == fewer
    assert thresholds


def _settings() -> tuple[float, tuple[int, int, int], bool]:
    return sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count() > 0


@pytest.mark.parametrize("to_its_end", [True, False])
def test_a_scan_that_ended_or_was_closed_leaves_the_process_as_it_was(
    thawed: None, monkeypatch: pytest.MonkeyPatch, *, to_its_end: bool
) -> None:
    specs = [bundled_spec("sqs_queue")]
    aws = SyntheticAws(otherwise=EstateOfSpecs(specs, regions=["eu-west-1"], count=2))
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    sessions = AccountSessions(aws.accounts, events=aws.events())
    before = _settings()
    items = Scanner(sessions, threads=2, specs=specs).scan(regions=["eu-west-1"])
    assert _settings() == before, "the plan is made, and no call has started"
    next(items)
    switching, thresholds, frozen = _settings()
    assert switching == before[0], "threads take turns as ever"
    assert thresholds != before[1]
    assert frozen
    if to_its_end:
        list(items)
    else:
        items.close()
    assert _settings() == before
    sessions.close()
