from __future__ import annotations

import pytest

from cloudops_nb.errors import PlaybookError
from cloudops_nb.ssm.lifecycle import Lifecycle

pytestmark = pytest.mark.fast

TEN_STATES = {
    "draft", "ready", "pending_review", "approved", "active",
    "rejected", "needs_update", "broken", "deprecated", "archived",
}  # fmt: skip


def test_there_are_ten_states_each_with_a_meaning():
    assert {state.value for state in Lifecycle} == TEN_STATES
    assert all(state.meaning for state in Lifecycle)


def test_only_approved_and_active_ones_run():
    assert {state for state in Lifecycle if state.runnable} == {Lifecycle.APPROVED, Lifecycle.ACTIVE}


def test_nothing_becomes_runnable_without_a_review():
    before = {state for state in Lifecycle if not state.runnable and Lifecycle.APPROVED in state.next}
    straight_to_active = {state for state in Lifecycle if Lifecycle.ACTIVE in state.next}

    assert before == {Lifecycle.PENDING_REVIEW}
    # A deprecated version was active once, hence reviewed.
    assert straight_to_active == {Lifecycle.APPROVED, Lifecycle.DEPRECATED}


def test_every_state_can_be_reached_from_a_draft_and_archived_is_the_end():
    reached, pending = set(), {Lifecycle.DRAFT}
    while pending:
        state = pending.pop()
        reached.add(state)
        pending |= state.next - reached

    assert reached == set(Lifecycle)
    assert [state for state in Lifecycle if not state.next] == [Lifecycle.ARCHIVED]


def test_a_move_that_the_table_lacks_is_refused_with_what_is_possible():
    assert Lifecycle.PENDING_REVIEW.move_to(Lifecycle.APPROVED) is Lifecycle.APPROVED
    with pytest.raises(PlaybookError, match="cannot go from draft to active: after draft comes archived, ready"):
        Lifecycle.DRAFT.move_to(Lifecycle.ACTIVE)
