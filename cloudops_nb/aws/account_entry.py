"""An account into which somebody got, or not: its id and name as AWS tells them, or why it could not be entered."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudops_nb.aws.errors import label
from cloudops_nb.aws.organization import with_own_role
from cloudops_nb.errors import AwsError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloudops_nb.aws.account_session import AccountSession, Caller
    from cloudops_nb.model import Account

#: Seconds for which a refusal is believed; then the account is tried again, with credentials read anew.
_REFUSAL_HOLDS = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An account whose id is known; ``refusal`` is why it could not be entered, at a monotonic time."""

    session: AccountSession
    account: Account
    refusal: AwsError | None = None
    at: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether it is not worth asking again."""
        return self.refusal is None or time.monotonic() - self.at < _REFUSAL_HOLDS


def may_be(account: Account, chosen: Collection[str]) -> bool:
    """Return whether an account may be among those chosen; an unknown id may be any."""
    if account.organization_role:
        return True
    known = configured_id(account)
    return account.name in chosen or known in chosen or (not known and any(name.isdigit() for name in chosen))


def configured_id(account: Account) -> str:
    """Return an account's id as far as the configuration tells it."""
    parts = account.role_arn.split(":")
    return account.account_id or "".join(parts[4:5])


def identify(session: AccountSession) -> Caller | AwsError:
    """Return who we are in an account, or why it cannot be entered."""
    try:
        return session.caller()
    except AwsError as error:
        return error


def checked(session: AccountSession, outcome: Caller | AwsError) -> Entry:
    """Return the account with its id, entered or not.

    Raises:
        ConfigurationError: AWS tells another id than the configuration, which is an error whatever the others do.
    """
    account, known = session.account, configured_id(session.account)
    if isinstance(outcome, AwsError):
        refused = replace(account, account_id=known, organization_role="")
        return Entry(session, with_own_role(refused), outcome, time.monotonic())
    if known and outcome.account_id != known:
        what = f"{label(account)} leads to account {outcome.account_id}, not {known}"
        raise ConfigurationError(what, "the configured id is another", "Correct account_id, or the way in.")
    name = account.name or outcome.account_id
    entered = replace(account, account_id=outcome.account_id, name=name, organization_role="")
    return Entry(session, with_own_role(entered))
