"""The result of entering an account: the account's id, or the error that prevented entry.

To *enter* an account is to call ``sts:GetCallerIdentity`` with its credentials. The response contains the account's id.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudops_nb.aws.account_errors import account_label, configured_id
from cloudops_nb.aws.error_states import classify
from cloudops_nb.aws.organization import with_own_role
from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.errors import CloudOpsError, ConfigurationError
from cloudops_nb.model import RefusedAccount

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

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
    refusal: CloudOpsError | None = None
    refused_at: float = 0.0

    @property
    def needs_retry(self) -> bool:
        """Whether entry failed so long ago that it should be tried again."""
        return self.refusal is not None and time.monotonic() - self.refused_at >= _REFUSAL_SECONDS

    @property
    def refused_account(self) -> RefusedAccount:
        """The account as one that was refused, for a report."""
        error = self.refusal or ConfigurationError("the account was not entered")
        failure = classify(error, region=GLOBAL)
        return RefusedAccount(self.account.name or "ambient", failure.state, failure.detail)


def likely_sessions(sessions: Iterable[AccountSession], chosen: Collection[str] | None) -> list[AccountSession]:
    """Return the sessions that may be among the ``chosen`` names and ids; all of them if none are chosen.

    An account without a known id may have any chosen id that no other account is known to have, and the entry of an
    organization may contain any chosen account that is not known.
    """
    all_sessions = list(sessions)
    if chosen is None:
        return all_sessions
    known_ids = {session: session.known_account_id for session in all_sessions}
    unknown = set(chosen) - {session.account.name for session in all_sessions} - set(known_ids.values())
    unknown_id = any(name.isdigit() for name in unknown)

    def is_likely(session: AccountSession) -> bool:
        if not {session.account.name, known_ids[session]}.isdisjoint(chosen):
            return True
        return bool(unknown) if session.account.organization_role else not known_ids[session] and unknown_id

    return [session for session in all_sessions if is_likely(session)]


def caller_or_refusal(session: AccountSession) -> Caller | CloudOpsError:
    """Return the caller identity in an account, or the error that prevented entry."""
    try:
        return session.caller()
    except CloudOpsError as error:
        return error


def checked_entry(session: AccountSession, outcome: Caller | CloudOpsError) -> AccountEntry:
    """Return the entry that a result of :func:`caller_or_refusal` leads to.

    The account is also refused if AWS reports a different account id from the configured one.
    """
    account, known = session.account, configured_id(session.account)
    if not isinstance(outcome, CloudOpsError) and known and outcome.account_id != known:
        what = f"{account_label(account)} leads to account {outcome.account_id}"
        fix = "Correct account_id, or the profile or role."
        outcome = ConfigurationError(what, f"the configured id is {known}", fix)
    if isinstance(outcome, CloudOpsError):
        known = known or session.known_account_id
        refused = replace(account, account_id=known, organization_role="")
        return AccountEntry(session, with_own_role(refused), outcome, time.monotonic())
    name = account.name or outcome.account_id
    entered = replace(account, account_id=outcome.account_id, name=name, organization_role="")
    return AccountEntry(session, with_own_role(entered))
