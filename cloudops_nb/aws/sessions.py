"""The sessions of all configured accounts.

To *enter* an account is to call ``sts:GetCallerIdentity`` with its credentials, and to compare the account id in the
response with the configured one.
"""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.account_entry import AccountEntry, caller_or_refusal, checked_entry, likely_sessions
from cloudops_nb.aws.account_errors import account_label
from cloudops_nb.aws.account_session import AccountSession, Caller
from cloudops_nb.aws.answer_checks import refuse_incomplete_answer
from cloudops_nb.aws.credentials import SessionFactory
from cloudops_nb.aws.organization import member_accounts
from cloudops_nb.aws.regions import default_regions
from cloudops_nb.aws.user_agent import add_purpose
from cloudops_nb.errors import CloudOpsError, ConfigurationError
from cloudops_nb.model import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from botocore.client import BaseClient

    from cloudops_nb.aws.answer_fields import AnswerFields
    from cloudops_nb.model import RefusedAccount

#: The number of threads that enter accounts at the same time, and the number of further threads that list regions.
_ENTRY_THREADS = 16


class AccountSessions:
    """The accounts of one notebook, each with one botocore session; thread-safe.

    No call is made before the first use. If an account cannot be entered, the other accounts can be used all the same.
    If its id is known, from its entry or its profile, :meth:`accounts` returns that account too, but using it raises
    the error that prevented entry. If its id is unknown, :meth:`refused` returns its name and the error.

    Args:
        accounts: The configured accounts; if empty, the account of the ambient credentials.
        threads: The largest number of threads that use one client at the same time.
        label: Identifies the sessions in CloudTrail, see :class:`.SessionFactory`; random if not given.
        events: Maps names of botocore events to the handlers that every session registers.
        regions: The regions to call first for an account whose own configuration names no region; the first one in the
            account's partition is used.
    """

    def __init__(
        self,
        accounts: Sequence[Account] = (),
        *,
        threads: int = 64,
        label: str = "",
        events: Mapping[str, Callable[..., Any]] | None = None,
        regions: Sequence[str] = (),
    ) -> None:
        handlers: dict[str, Callable[..., Any]] = {
            "request-created": add_purpose,
            "before-parse": refuse_incomplete_answer,
        }
        self._handlers = {**handlers, **(events or {})}
        self._threads = threads
        self.label = label or f"cloudops-nb-{uuid.uuid4().hex[:12]}"
        #: The regions to call first for an account whose own configuration names no region.
        self.preferred_regions = tuple(regions)
        self._factory = SessionFactory(self.label, self._handlers, self.preferred_regions)
        self._configured = [AccountSession(each, self._factory, threads) for each in accounts or [Account(name="")]]
        self._members: dict[AccountSession, Sequence[AccountSession]] = {}
        self._lock = threading.RLock()
        # The results of entering accounts: by id, and for each refused account without a known id by its session. The
        # last ones are the organizations whose accounts could not be listed.
        self._entries: dict[str, AccountEntry] = {}
        self._unnamed: dict[AccountSession, AccountEntry] = {}
        self._unlisted: dict[AccountSession, AccountEntry] = {}

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
        return likely_sessions(single, chosen)

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
        return AccountSessions(
            operating,
            threads=self._threads,
            label=self.label,
            events=self._handlers,
            regions=self.preferred_regions,
        )

    def accounts(self, chosen: Collection[str] | None = None, *, with_regions: bool = False) -> Sequence[Account]:
        """Enter accounts that have not been entered, and return the chosen ones, in the order of the configuration.

        Args:
            chosen: Names or ids; all accounts if not given. An account that is not chosen is entered only if its id is
                not known and may be a chosen one.
            with_regions: Whether to list each account's regions at the same time, which saves time in a later
                :meth:`regions`.

        Raises:
            CredentialsError: AWS refused entry to every account, or refused to list the accounts of an organization.
            AwsUnreachableError: The endpoint did not answer for any account.
            ConfigurationError: The AWS configuration of every account is not usable, or two entries lead to the same
                account.
        """
        with self._lock:
            sessions = self._sessions_with_members(chosen)
            likely = likely_sessions(sessions, chosen)
            self._require_listed(likely)
            self._enter(likely, with_regions=with_regions)
            entered = [entry.account for entry in self._entries.values()]
        order = [session.account.name for session in sessions]
        return tuple(
            sorted(
                (each for each in entered if chosen is None or {each.name, each.account_id} & set(chosen)),
                key=lambda each: order.index(each.name) if each.name in order else 0,
            )
        )

    def refused(self, chosen: Collection[str] | None = None) -> Sequence[RefusedAccount]:
        """Return the accounts that :meth:`accounts` leaves out: those that were refused, and whose id is unknown.

        An organization whose accounts could not be listed is one of them, as long as other accounts can be used.

        Args:
            chosen: The names and ids that were given to :meth:`accounts`.
        """
        with self._lock:
            entries = [*self._unnamed.values(), *self._unlisted.values()]
        return tuple(
            entry.refused_account for entry in entries if chosen is None or entry.session.account.name in chosen
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

        An account whose configuration cannot be used is left out, because no call is made for it.

        Raises:
            CloudOpsError: The configuration of every account cannot be used.
        """
        endpoints: set[str] = set()
        errors: list[CloudOpsError] = []
        for session in self._configured:
            try:
                endpoints |= session.foreign_endpoints()
            except CloudOpsError as error:
                errors.append(error)
        if len(errors) == len(self._configured):
            raise errors[0]
        return endpoints

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
            self.accounts({account_id})
            entry = self._entries.get(account_id)
            if entry is None:
                raise self._not_configured(account_id)
        return entry

    def _not_configured(self, account_id: str) -> ConfigurationError:
        sessions = [*self._configured, *self._member_sessions]
        known = ", ".join(f"{each.known_account_id or 'unknown id'} ({each.account.name})" for each in sessions)
        what = f"account {account_id} is not configured"
        return ConfigurationError(what, f"the accounts are {known}", "Add it to [[accounts]] in config.toml.")

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
        for session in likely_sessions(self._configured, chosen):
            unlisted = self._unlisted.get(session)
            needed = session.account.organization_role and session not in self._members
            if needed and (unlisted is None or unlisted.needs_retry):
                self._list_members(session)
        return [each for one in self._configured for each in (one, *self._members.get(one, ()))]

    def _list_members(self, session: AccountSession) -> None:
        self._unlisted.pop(session, None)
        try:
            members = member_accounts(session, [each.name for each in self.configured])
        except CloudOpsError as error:
            self._unlisted[session] = AccountEntry(session, session.account, error, time.monotonic())
        else:
            self._members[session] = [AccountSession(each, self._factory, self._threads) for each in members]

    def _require_listed(self, likely: Collection[AccountSession]) -> None:
        """Raise the error of an organization that could not be listed, if there is no other account to use."""
        unlisted = [session for session in likely if session in self._unlisted]
        if unlisted and len(unlisted) == len(likely):
            entry = self._unlisted.pop(unlisted[0])  # so that the next use tries again
            if entry.refusal:
                raise entry.refusal

    @property
    def _member_sessions(self) -> Collection[AccountSession]:
        return set(chain.from_iterable(self._members.values()))

    def _enter(self, sessions: Sequence[AccountSession], *, with_regions: bool = False) -> None:
        """Enter the accounts that were not entered before or that need a retry. The caller must hold the lock."""
        known = {entry.session: entry for entry in (*self._entries.values(), *self._unnamed.values())}
        asked = [session for session in sessions if session not in known or known[session].needs_retry]
        for session in asked:
            if session in known:
                session.renew(session.generation)  # the credentials may have been replaced after the refusal
        outcomes = _callers_or_refusals(asked, with_regions=with_regions)
        entries = [checked_entry(session, outcome) for session, outcome in outcomes.items()]
        # If no account can be used, raise the first error. An account without a known id is not returned, so its error
        # is raised also if it was refused a moment ago.
        kept = [known[each] for each in sessions if each in known and each not in outcomes and each in self._unnamed]
        refusals = [entry.refusal for entry in (*entries, *kept) if entry.refusal]
        if refusals and len(refusals) == len(sessions):
            raise refusals[0]
        for entry in entries:
            self._add_entry(entry)

    def _add_entry(self, entry: AccountEntry) -> None:
        account_id = entry.account.account_id
        self._unnamed.pop(entry.session, None)
        if not account_id:
            self._unnamed[entry.session] = entry
            return
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
) -> Mapping[AccountSession, Caller | CloudOpsError]:
    """Enter accounts, and return each caller identity or error; with ``with_regions``, also list their regions."""
    outcomes = {session: caller_or_refusal(session) for session in asked if _needs_mfa_code(session)}
    others = [session for session in asked if session not in outcomes]
    with ThreadPoolExecutor(_ENTRY_THREADS) as pool, ThreadPoolExecutor(_ENTRY_THREADS) as region_pool:
        try:
            if with_regions:
                # Leave out an account whose MFA code was rejected: listing its regions would prompt in a worker thread.
                for session in [each for each in asked if not isinstance(outcomes.get(each), CloudOpsError)]:
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
    except CloudOpsError:
        return False
