"""The result of entering an account: its id and name as AWS reports them, or the error that prevented entry."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudops_nb.aws.account_errors import account_label
from cloudops_nb.aws.organization import with_own_role
from cloudops_nb.errors import AwsError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloudops_nb.aws.account_session import AccountSession, Caller
    from cloudops_nb.model import Account

#: Seconds for which a refusal is reused; after that the account is tried again with fresh credentials.
_REFUSAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """An account whose id is known; ``refusal`` is the error that prevented entry, ``at`` its monotonic time."""

    session: AccountSession
    account: Account
    refusal: AwsError | None = None
    at: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether the entry can be used as it is: the account was entered, or refused a moment ago."""
        return self.refusal is None or time.monotonic() - self.at < _REFUSAL_SECONDS


def may_be_chosen(account: Account, chosen: Collection[str]) -> bool:
    """Return whether a choice of names and ids may mean an account; an unknown id matches every id."""
    if account.organization_role:
        return True
    known = configured_id(account)
    return account.name in chosen or known in chosen or (not known and any(name.isdigit() for name in chosen))


def configured_id(account: Account) -> str:
    """Return the account id in the configuration or in its role's ARN; empty if both lack it."""
    parts = account.role_arn.split(":")
    return account.account_id or "".join(parts[4:5])


def caller_or_refusal(session: AccountSession) -> Caller | AwsError:
    """Return the caller identity in an account, or the error that prevented entry."""
    try:
        return session.caller()
    except AwsError as error:
        return error


def checked_entry(session: AccountSession, outcome: Caller | AwsError) -> AccountEntry:
    """Return the entry for the result of :func:`caller_or_refusal`.

    Raises:
        ConfigurationError: AWS reports another id than the configuration does.
    """
    account, known = session.account, configured_id(session.account)
    if isinstance(outcome, AwsError):
        refused = replace(account, account_id=known, organization_role="")
        return AccountEntry(session, with_own_role(refused), outcome, time.monotonic())
    if known and outcome.account_id != known:
        what = f"{account_label(account)} leads to account {outcome.account_id}"
        raise ConfigurationError(what, f"the configured id is {known}", "Correct account_id, or the profile or role.")
    name = account.name or outcome.account_id
    entered = replace(account, account_id=outcome.account_id, name=name, organization_role="")
    return AccountEntry(session, with_own_role(entered))
