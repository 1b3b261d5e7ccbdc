"""The sessions of all configured accounts.

To *enter* an account is to call ``sts:GetCallerIdentity`` with its credentials, and to compare the account id in the
response with the configured one.
"""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.account_entry import AccountEntry, caller_or_refusal, checked_entry, may_be_chosen
from cloudops_nb.aws.account_errors import account_label
from cloudops_nb.aws.account_session import AccountSession, Caller
from cloudops_nb.aws.answer_checks import refuse_incomplete_answer
from cloudops_nb.aws.credentials import SessionFactory
from cloudops_nb.aws.organization import member_accounts
from cloudops_nb.aws.regions import default_regions
from cloudops_nb.aws.user_agent import add_purpose
from cloudops_nb.errors import AwsError, ConfigurationError
from cloudops_nb.model import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from botocore.client import BaseClient

    from cloudops_nb.aws.answer_fields import AnswerFields

#: The number of threads that enter accounts at the same time, and the number of further threads that list regions.
_ENTRY_THREADS = 16


class AccountSessions:
    """The accounts of one notebook, each with one botocore session; thread-safe.

    No call is made before the first use. If an account cannot be entered but its id is configured, the other accounts
    can be used all the same. :meth:`accounts` then returns that account too, but using it raises the error that
    prevented entry.

    Args:
        accounts: The configured accounts; if empty, the account of the ambient credentials.
        threads: The largest number of threads that use one client at the same time.
        label: Identifies the sessions in CloudTrail, see :class:`.SessionFactory`; random if not given.
        events: Maps names of botocore events to the handlers that every session registers.
    """

    def __init__(
        self,
        accounts: Sequence[Account] = (),
        *,
        threads: int = 64,
        label: str = "",
        events: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        handlers: dict[str, Callable[..., Any]] = {
            "request-created": add_purpose,
            "before-parse": refuse_incomplete_answer,
        }
        self._handlers = {**handlers, **(events or {})}
        self._threads = threads
        self.label = label or f"cloudops-nb-{uuid.uuid4().hex[:12]}"
        self._factory = SessionFactory(self.label, self._handlers)
        self._configured = [AccountSession(each, self._factory, threads) for each in accounts or [Account(name="")]]
        self._members: dict[AccountSession, Sequence[AccountSession]] = {}
        self._lock = threading.RLock()
        self._entries: dict[str, AccountEntry] = {}

    @property
    def configured(self) -> Sequence[Account]:
        """The accounts as configured, without what AWS reports about them."""
        return tuple(session.account for session in self._configured)

    @property
    def has_organization(self) -> bool:
        """Whether a configured entry means a whole organization, whose accounts only AWS can list."""
        return any(account.organization_role for account in self.configured)

    def unattended_accounts(self) -> Sequence[Account]:
        """Return the configured accounts that can be entered without a prompt for an MFA code."""
        return tuple(session.account for session in self._configured if not _needs_mfa_code(session))

    def likely_sessions(self, chosen: Collection[str] | None = None) -> Sequence[AccountSession]:
        """Return the sessions of the configured accounts that may be among the ``chosen`` names and ids; make no call.

        The entries of organizations are left out, because only AWS knows their accounts.
        """
        single = [each for each in self._configured if not each.account.organization_role]
        return [each for each in single if chosen is None or may_be_chosen(each.account, chosen)]

    @cached_property
    def operators(self) -> AccountSessions:
        """The sessions for plans, with the credentials of the acting principals that :class:`.Account` defines.

        If the acting principals are also the reading principals, this is the same object. If an entry means an
        organization, the first access calls AWS.
        """
        # Only AWS knows the accounts of an organization.
        known = self.accounts() if self.has_organization else self.configured
        operating = [account.operating for account in known]
        if operating == list(known):
            return self
        return AccountSessions(operating, threads=self._threads, label=self.label, events=self._handlers)

    def accounts(self, chosen: Collection[str] | None = None, *, with_regions: bool = False) -> Sequence[Account]:
        """Enter accounts that have not been entered, and return the chosen ones, in the order of the configuration.

        Args:
            chosen: Names or ids; all accounts if not given. An account that is not chosen is entered only if its id is
                not configured and may be a chosen one.
            with_regions: Whether to list each account's regions at the same time, which saves time in a later
                :meth:`regions`.

        Raises:
            CredentialsError: AWS refused entry to every account, or to an account without a configured id, or refused
                to list the accounts of an organization.
            AwsUnreachableError: The endpoint did not answer for any account, or for an account without a configured id.
            ConfigurationError: The AWS configuration is not usable, AWS reports a different id from the configured one,
                or two entries lead to the same account.
        """
        with self._lock:
            sessions = self._sessions_with_members(chosen)
            likely = [each for each in sessions if chosen is None or may_be_chosen(each.account, chosen)]
            self._enter(likely, with_regions=with_regions)
            entered = [entry.account for entry in self._entries.values()]
        order = [session.account.name for session in sessions]
        return tuple(
            sorted(
                (each for each in entered if chosen is None or {each.name, each.account_id} & set(chosen)),
                key=lambda each: order.index(each.name) if each.name in order else 0,
            )
        )

    def expect(
        self, operations: Iterable[tuple[str, str]], fields: Mapping[tuple[str, str], AnswerFields] | None = None
    ) -> None:
        """Declare operations that clients will call, so that botocore's models can be narrowed to them.

        See :meth:`.NarrowModels.expect`.
        """
        self._factory.narrow_models.expect(operations, fields)

    def preload_model(self, service: str) -> None:
        """Load botocore's data of a service before a client needs them; the largest files take a third of a second."""
        self._factory.narrow_models.preload(service)

    def client(self, account_id: str, service: str, region: str, operation: str = "") -> BaseClient:
        """Return a cached client; see :meth:`.AccountSession.client` for the arguments.

        Raises:
            CredentialsError: The account cannot be entered.
            AwsUnreachableError: The endpoint does not answer.
            ConfigurationError: The account is not configured, or its credentials are now another account's.
        """
        return self._entered_session(account_id).client(service, region, operation)

    def caller(self, account_id: str, *, fresh: bool = False) -> Caller:
        """Return the caller identity in an account; with ``fresh``, always call AWS. Raises as :meth:`client`."""
        return self._entered_session(account_id).caller(fresh=fresh)

    def credential_method(self, account_id: str) -> str:
        """Return botocore's name for the source of an account's credentials; raises as :meth:`client`."""
        return self._entered_session(account_id).credential_method

    def regions(self, account_id: str) -> Sequence[str]:
        """Return an account's enabled regions, sorted; if they cannot be listed, the default regions.

        :meth:`regions_assumed` says whether default regions were returned, and why.
        """
        entry = self._entry(account_id)
        return default_regions(entry.session.partition) if entry.refusal else entry.session.regions()

    def regions_of(self, account_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the regions of each account. Several threads list them at the same time."""
        with ThreadPoolExecutor(_ENTRY_THREADS) as pool:
            return dict(zip(account_ids, pool.map(self.regions, account_ids), strict=True))

    def regions_assumed(self, account_id: str) -> str:
        """Return why :meth:`regions` returned default regions; empty if AWS listed the enabled regions."""
        entry = self._entry(account_id)
        return str(entry.refusal) if entry.refusal else entry.session.regions_assumed

    def offers(self, account_id: str, service: str, region: str) -> bool:
        """Return whether a service may be available in a region; raises as :meth:`client`."""
        return self._entered_session(account_id).offers(service, region)

    def partition(self, account_id: str) -> str:
        """Return the partition of an account, or ``aws`` if the partition is not known."""
        return self._entry(account_id).session.partition

    def needs_mfa_code(self, account_id: str) -> bool:
        """Return whether entering an account prompts for an MFA code."""
        return _needs_mfa_code(self._entry(account_id).session)

    def generation(self, account_id: str) -> int:
        """Return a number that increases each time :meth:`renew` drops the account's credentials."""
        return self._entry(account_id).session.generation

    def renew(self, account_id: str, generation: int) -> bool:
        """Drop expired credentials once per ``generation``; see :meth:`.AccountSession.renew` for the result."""
        return self._entry(account_id).session.renew(generation)

    def release(self, account_id: str, region: str) -> None:
        """Drop an account's cached clients of a region that has been scanned."""
        self._entry(account_id).session.release(region)

    def paginator(self, service: str, operation: str) -> Mapping[str, Any] | None:
        """Return botocore's pagination rules for an operation, or ``None`` if the operation has no rules.

        Raises:
            UnknownServiceError: botocore has no pagination rules for any operation of the service.
        """
        rules: Mapping[str, Any] | None = self._pagination_rules(service).get(operation)
        return rules

    def foreign_endpoints(self) -> set[str]:
        """Return the endpoints, configured for any of the accounts, that are not AWS's own; makes no call.

        Raises:
            AwsError: The configuration of an account cannot be used.
        """
        return {url for session in self._configured for url in session.foreign_endpoints()}

    def close(self) -> None:
        """Close the connections of all clients; a later :meth:`client` creates a new client."""
        for session in (*self._configured, *chain.from_iterable(self._members.values())):
            session.close()
        # Reading the property itself would create the sessions, if they were not used, only to close them.
        operators = vars(self).get("operators", self)
        if operators is not self:
            operators.close()

    @lru_cache(maxsize=256)  # noqa: B019 - one object per notebook, with the lifetime of its kernel
    def _pagination_rules(self, service: str) -> Mapping[str, Any]:
        rules: dict[str, Any] = self._factory.loader.load_service_model(service, "paginators-1")["pagination"]
        return rules

    def _entry(self, account_id: str) -> AccountEntry:
        entry = self._entries.get(account_id)
        if entry is None:
            accounts = self.accounts()
            entry = self._entries.get(account_id)
            if entry is None:
                known = ", ".join(f"{account.account_id} ({account.name})" for account in accounts)
                what = f"account {account_id} is not configured"
                raise ConfigurationError(what, f"the accounts are {known}", "Add it to [[accounts]] in config.toml.")
        return entry

    def _entered_session(self, account_id: str) -> AccountSession:
        entry = self._entry(account_id)
        if entry.needs_retry:
            with self._lock:
                self._enter([entry.session])
            entry = self._entry(account_id)
        if entry.refusal:
            raise entry.refusal
        return entry.session

    def _sessions_with_members(self, chosen: Collection[str] | None) -> Sequence[AccountSession]:
        """Return the sessions of the configured accounts and of the known members of organizations.

        Before that, list the members of each organization that may contain ``chosen`` accounts, unless they are known.
        The caller must hold the lock.
        """
        for session in self._configured:
            may_include = chosen is None or may_be_chosen(session.account, chosen)
            if session.account.organization_role and session not in self._members and may_include:
                members = member_accounts(session, [each.name for each in self.configured])
                self._members[session] = [AccountSession(each, self._factory, self._threads) for each in members]
        return [each for one in self._configured for each in (one, *self._members.get(one, ()))]

    @property
    def _member_sessions(self) -> Collection[AccountSession]:
        return set(chain.from_iterable(self._members.values()))

    def _enter(self, sessions: Sequence[AccountSession], *, with_regions: bool = False) -> None:
        """Enter the accounts that were not entered before or that need a retry. The caller must hold the lock."""
        known = {entry.session: entry for entry in self._entries.values()}
        asked = [session for session in sessions if session not in known or known[session].needs_retry]
        for session in asked:
            if session in known:
                session.renew(session.generation)  # the credentials may have been replaced after the refusal
        outcomes = _callers_or_refusals(asked, with_regions=with_regions)
        refused = all(isinstance(outcome, AwsError) for outcome in outcomes.values())
        all_refused = refused and len(asked) == len(sessions)
        for session, outcome in outcomes.items():
            entry = checked_entry(session, outcome)
            if entry.refusal and (all_refused or not entry.account.account_id):
                raise entry.refusal
            self._add_entry(entry)

    def _add_entry(self, entry: AccountEntry) -> None:
        account_id = entry.account.account_id
        other = self._entries.get(account_id)
        if other and entry.session in self._member_sessions:
            return  # a member that is also configured by itself keeps the configured session
        if other and other.session is not entry.session and other.session not in self._member_sessions:
            one, two = account_label(other.session.account), account_label(entry.session.account)
            what = f"{one} and {two} are the same account, {account_id}"
            raise ConfigurationError(what, "an account may be configured only once", "Remove one of the two entries.")
        self._entries[account_id] = entry


def _callers_or_refusals(
    asked: Sequence[AccountSession], *, with_regions: bool
) -> Mapping[AccountSession, Caller | AwsError]:
    """Enter accounts, and return each caller identity or error; with ``with_regions``, also list their regions."""
    outcomes = {session: caller_or_refusal(session) for session in asked if _needs_mfa_code(session)}
    others = [session for session in asked if session not in outcomes]
    with ThreadPoolExecutor(_ENTRY_THREADS) as pool, ThreadPoolExecutor(_ENTRY_THREADS) as region_pool:
        try:
            if with_regions:
                # Leave out an account whose MFA code was rejected: listing its regions would prompt in a worker thread.
                for session in [each for each in asked if not isinstance(outcomes.get(each), AwsError)]:
                    region_pool.submit(session.regions)
            outcomes.update(zip(others, pool.map(caller_or_refusal, others), strict=True))
        except BaseException:
            # After an interrupt, drop the region calls that have not started.
            region_pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {session: outcomes[session] for session in asked}


def _needs_mfa_code(session: AccountSession) -> bool:
    """Return whether entry prompts for an MFA code; a worker thread would hang, because its prompt is not shown."""
    try:
        return session.needs_mfa_code
    except AwsError:
        return False
