"""Envelopes that do not open, counted and, when they come together, reported once."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from cloudops_nb.errors import CloudOpsWarning, DecryptionError
from cloudops_nb.storage.encryption.decrypt_alarm import ALARM_WINDOW_SECONDS, DecryptAlarm
from cloudops_nb.storage.encryption.envelope import OVERHEAD, Envelope
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

pytestmark = pytest.mark.fast

PLACE: dict[str, Any] = {"collection": "aws_estate", "point_id": "one"}


def test_several_failures_close_together_warn_once() -> None:
    now = iter(range(100))
    alarm = DecryptAlarm(lambda: next(now))
    alarm.record_failure()
    alarm.record_failure()
    with pytest.warns(CloudOpsWarning, match="altered or the key is wrong"):
        alarm.record_failure()
    alarm.record_failure()

    assert alarm.failures == 4


def test_failures_far_apart_are_counted_only() -> None:
    now = iter(ALARM_WINDOW_SECONDS * number for number in range(100))
    alarm = DecryptAlarm(lambda: next(now))
    for _ in range(20):
        alarm.record_failure()

    assert alarm.failures == 20


def test_three_failures_warn_if_they_fit_into_the_window() -> None:
    spread = iter((0.0, 1.0, ALARM_WINDOW_SECONDS + 0.5, ALARM_WINDOW_SECONDS + 1.0))
    alarm = DecryptAlarm(lambda: next(spread))
    for _ in range(3):
        alarm.record_failure()
    with pytest.warns(CloudOpsWarning):
        alarm.record_failure()


def test_every_way_not_to_open_counts() -> None:
    envelope = Envelope(StoreKeys(MasterKey(bytes(32)), generation=2), oldest=2)
    old = Envelope(StoreKeys(MasterKey(bytes(32)))).seal(b"old", **PLACE)

    def refuse(*envelopes: bytes) -> None:
        for sealed in envelopes:
            with pytest.raises(DecryptionError):
                envelope.open(sealed, **PLACE)

    with pytest.warns(CloudOpsWarning) as caught:
        refuse(b"", old, bytes(OVERHEAD), b"\1" + bytes(OVERHEAD))

    assert envelope.alarm.failures == 4
    assert len(caught) == 1
    assert envelope.open(envelope.seal(b"good", **PLACE), **PLACE) == b"good"
    assert envelope.alarm.failures == 4


def test_the_error_comes_even_where_warnings_are_errors() -> None:
    envelope = Envelope(StoreKeys(MasterKey(bytes(32))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            with pytest.raises(DecryptionError):
                envelope.open(bytes(OVERHEAD), **PLACE)
