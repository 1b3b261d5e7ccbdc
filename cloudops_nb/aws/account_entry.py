"""The result of entering an account: the account's id, or the error that prevented entry.

To *enter* an account is to call ``sts:GetCallerIdentity`` with its credentials. The response contains the account's id.
"""

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

#: Seconds for which a failed entry is not repeated. After that, the next use enters the account with fresh credentials.
_REFUSAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """The result of entering one account; ``account`` contains the id that AWS reported.

    If entry failed, ``refusal`` is the error, ``refused_at`` the time of the failure by the monotonic clock, and
    ``account`` contains the configured id, which may be empty.
    """

    session: AccountSession
    account: Account
    refusal: AwsError | None = None
    refused_at: float = 0.0

    @property
    def needs_retry(self) -> bool:
        """Whether entry failed so long ago that it should be tried again."""
        return self.refusal is not None and time.monotonic() - self.refused_at >= _REFUSAL_SECONDS


def may_be_chosen(account: Account, chosen: Collection[str]) -> bool:
    """Return whether an account may be among the ``chosen`` names and ids.

    The entry of an organization may contain any account, and an account without a known id may have any id.
    """
    if account.organization_role:
        return True
    known = configured_id(account)
    return account.name in chosen or known in chosen or (not known and any(name.isdigit() for name in chosen))


def configured_id(account: Account) -> str:
    """Return the configured account id, else the id in the ARN of the configured role, else an empty string."""
    parts = account.role_arn.split(":")
    return account.account_id or "".join(parts[4:5])


def caller_or_refusal(session: AccountSession) -> Caller | AwsError:
    """Return the caller identity in an account, or the error of AWS that prevented entry; raise any other error."""
    try:
        return session.caller()
    except AwsError as error:
        return error


def checked_entry(session: AccountSession, outcome: Caller | AwsError) -> AccountEntry:
    """Return the entry that a result of :func:`caller_or_refusal` leads to.

    Raises:
        ConfigurationError: The account id that AWS reports differs from the configured one.
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
