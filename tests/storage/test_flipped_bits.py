"""A small run of ``make corrupt``: a flipped bit costs at most the record it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.corrupt.driver import run
from tests.corrupt.places import KINDS
from tests.storage.conftest import ended_owners, quick_folder

if TYPE_CHECKING:
    from tests.corrupt.places import Kind


@pytest.mark.filterwarnings("ignore::cloudops_nb.errors.CloudOpsWarning")  # the alarm about rows that do not decrypt
def test_flipped_bits_are_bounded_reported_and_mended() -> None:
    with quick_folder() as folder, ended_owners(folder):
        outcomes = run(folder, seed=2, flips=4)
    assert [fault for each in outcomes for fault in each.faults] == []
    counts: dict[Kind, int] = {each.kind: each.counts["healed"] for each in outcomes}
    assert counts == dict.fromkeys(KINDS, 4)
