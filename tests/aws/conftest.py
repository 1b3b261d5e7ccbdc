from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.model import Account


@pytest.fixture(autouse=True)
def models_read_once(shared_models: None) -> None:
    """Let every test use the shared loader of botocore's models."""


@pytest.fixture
def open_sessions() -> Iterator[Callable[..., AccountSessions]]:
    """Open the sessions of accounts; all are closed at the end."""
    opened: list[AccountSessions] = []

    def make(*accounts: Account, **options: Any) -> AccountSessions:
        opened.append(AccountSessions(accounts, **options))
        return opened[-1]

    yield make
    for sessions in opened:
        sessions.close()
