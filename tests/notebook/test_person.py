"""Who is recorded, and whether anybody is there at all."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.error import StdinNotImplementedError

from cloudops_nb.notebook.cards.decision import approver, kernel_user
from cloudops_nb.notebook.output import Screen

pytestmark = pytest.mark.fast


def shell_of(username: str | None = None, *, allow_stdin: bool = True) -> Any:
    """A shell behind a kernel whose front end gives this name; without a name, a shell in a terminal."""
    if username is None:
        return SimpleNamespace()
    parent = {"header": {"username": username}}
    return SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda: parent, _allow_stdin=allow_stdin))


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


@pytest.mark.parametrize("allow_stdin", [True, False])
def test_a_front_end_that_takes_no_input_is_unattended(*, allow_stdin: bool) -> None:
    screen = Screen(shell_of("", allow_stdin=allow_stdin))
    assert screen.rich
    assert screen.attended is allow_stdin


def test_piped_input_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("approve\nbecause\n"))
    screen = Screen(shell_of())
    assert not screen.attended
    assert screen.question("approve? ") is None


@pytest.mark.parametrize("error", [EOFError, StdinNotImplementedError])
def test_input_that_ends_is_no_answer(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def ended(_: str) -> str:
        raise error

    monkeypatch.setattr("builtins.input", ended)
    assert Screen(shell_of("")).question("approve? ") is None


def test_an_answer_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: f"answer to {prompt}")
    assert Screen(shell_of("")).question("why?") == "answer to why?"
