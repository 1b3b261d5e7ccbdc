"""The screen of a shell: whether it is attended, and what it asks."""

from __future__ import annotations

import io

import pytest
from IPython.core.error import StdinNotImplementedError

from cloudops_nb.notebook.output import Screen
from tests.notebook.conftest import shell_of

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("allow_stdin", [True, False])
def test_a_front_end_that_takes_no_input_is_unattended(*, allow_stdin: bool) -> None:
    screen = Screen(shell_of("", allow_stdin=allow_stdin))
    assert screen.rich
    assert screen.attended is allow_stdin


def test_piped_input_is_unattended(monkeypatch: pytest.MonkeyPatch) -> None:
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
