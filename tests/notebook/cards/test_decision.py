"""The name that is recorded for a decision."""

from __future__ import annotations

import pytest

from cloudops_nb.notebook.cards.decision import approver, kernel_user
from tests.notebook.conftest import shell_of

pytestmark = pytest.mark.fast


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "alice")


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("claimed", "recorded"),
    [
        (None, "alice"),
        ("", "alice"),
        ("username", "alice"),
        ("alice", "alice"),
        ("bob", "alice (the front end says bob)"),
    ],
)
def test_the_kernel_s_user_is_recorded_and_the_front_end_s_name_as_its_claim(
    claimed: str | None, recorded: str
) -> None:
    assert approver(shell_of(claimed)) == recorded


def test_a_user_without_a_name_is_recorded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise OSError("no such user")

    monkeypatch.setattr("getpass.getuser", unknown)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    assert kernel_user() == "uid 4711"
