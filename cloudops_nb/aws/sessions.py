"""Every configured account's way to AWS, checked against who AWS says we are."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.account_entry import Entry, checked, identify, may_be
from cloudops_nb.aws.account_session import AccountSession, Caller
from cloudops_nb.aws.credentials import SessionFactory
from cloudops_nb.aws.errors import label
from cloudops_nb.aws.fast_botocore.answer_checks import refuse_broken
from cloudops_nb.aws.organization import member_accounts
from cloudops_nb.aws.regions import default_regions
from cloudops_nb.aws.user_agent import add_purpose
from cloudops_nb.errors import AwsError, ConfigurationError
from cloudops_nb.model import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from botocore.client import BaseClient

    from cloudops_nb.aws.fast_botocore.answer_shapes import Reading

_RESOLVERS = 16


class AccountSessions:
    """The accounts of one notebook, each with one botocore session; thread-safe.

    Nothing is asked of AWS before the first use. An account that cannot be entered does not stop the others as long as
    its id is known from the configuration: it stays in :meth:`accounts`, and using it raises its own error.

    Args:
        accounts: The configured accounts; none means the account of the ambient credentials.
        threads: How many threads will use one client at the same time, at most.
        label: A word that names our sessions in CloudTrail; a random one if not given.
        events: Handlers of botocore events by name, registered on every session.
    """

    def __init__(
        self,
        accounts: Sequence[Account] = (),
        *,
        threads: int = 64,
        label: str = "",
        events: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        ours: dict[str, Callable[..., Any]] = {"request-created": add_purpose, "before-parse": refuse_broken}
        self._handlers = {**ours, **(events or {})}
        self._threads = threads
        self.label = label or f"cloudops-nb-{uuid.uuid4().hex[:12]}"
        self._factory = SessionFactory(self.label, self._handlers)
        self._configured = [AccountSession(each, self._factory, threads) for each in accounts or [Account(name="")]]
        self._members: dict[AccountSession, Sequence[AccountSession]] = {}
        self._lock = threading.RLock()
        self._entries: dict[str, Entry] = {}

    @property
    def configured(self) -> Sequence[Account]:
        """The accounts as configured, before AWS was asked."""
        return tuple(session.account for session in self._configured)

    @property
    def has_organization(self) -> bool:
        """Whether an entry stands for every account of an organisation, so that AWS knows the accounts' names."""
        return any(account.organization_role for account in self.configured)

    def unattended(self) -> Sequence[Account]:
        """Return the configured accounts into which one gets without anybody who types a code."""
        return tuple(session.account for session in self._configured if not _asks_for_code(session))

    def likely(self, chosen: Collection[str] | None = None) -> Sequence[AccountSession]:
        """Return the sessions of configured accounts that may be among those chosen, before AWS was asked."""
        known = [each for each in self._configured if not each.account.organization_role]
        return [each for each in known if chosen is None or may_be(each.account, chosen)]

    @cached_property
    def operators(self) -> AccountSessions:
        """The sessions of the principals that act in these accounts; these ones where the same act that read."""
        # Of an organisation only AWS knows the accounts.
        known = self.accounts() if self.has_organization else self.configured
        operating = [account.operating for account in known]
        if operating == list(known):
            return self
        return AccountSessions(operating, threads=self._threads, label=self.label, events=self._handlers)

    def accounts(self, chosen: Collection[str] | None = None, *, with_regions: bool = False) -> Sequence[Account]:
        """Return accounts with their ids, as ``sts:GetCallerIdentity`` tells them; each is asked for once.

        Args:
            chosen: Names or ids; all configured accounts if not given. Others are not entered, if that can be avoided.
            with_regions: Whether to ask for the regions of each at the same time, because somebody will.

        Raises:
            CredentialsError: No account can be entered, or one of unknown id cannot.
            AwsUnreachableError: As before, because the endpoint does not answer.
            ConfigurationError: A configured id is not the caller's, or two entries lead to one account.
        """
        with self._lock:
            sessions = self._expanded(chosen)
            wanted = [each for each in sessions if chosen is None or may_be(each.account, chosen)]
            self._enter(wanted, with_regions=with_regions)
            entered = [entry.account for entry in self._entries.values()]
        order = [session.account.name for session in sessions]
        return tuple(
            sorted(
                (each for each in entered if chosen is None or {each.name, each.account_id} & set(chosen)),
                key=lambda each: order.index(each.name) if each.name in order else 0,
            )
        )

    def expect(
        self, operations: Iterable[tuple[str, str]], readings: Mapping[tuple[str, str], Reading] | None = None
    ) -> None:
        """Prepare for operations, see :meth:`.NarrowModels.expect`: clients asked for these do no more than needed."""
        self._factory.narrow_models.expect(operations, readings)

    def read_model(self, service: str) -> None:
        """Have what botocore knows of a service read, which takes the largest a third of a second."""
        self._factory.narrow_models.read(service)

    def client(self, account_id: str, service: str, region: str, operation: str = "") -> BaseClient:
        """Return a cached client; ``region`` may be ``global``, which stands for the partition's home region.

        It has at least the ``operation`` that is named, and all of the service's if none is.

        Raises:
            CredentialsError: The account cannot be entered.
            AwsUnreachableError: The endpoint does not answer.
            ConfigurationError: The account is not configured.
        """
        return self._entered(account_id).client(service, region, operation)

    def caller(self, account_id: str, *, fresh: bool = False) -> Caller:
        """Return who AWS says we are in an account; ``fresh`` asks anew, now.

        Raises:
            ConfigurationError: The account is not configured, or its credentials are another account's by now.
            CloudOpsError: As :meth:`client`.
        """
        return self._entered(account_id).caller(fresh=fresh)

    def credential_method(self, account_id: str) -> str:
        """Return botocore's word for where an account's credentials came from; raises as :meth:`client`."""
        return self._entered(account_id).credential_method

    def regions(self, account_id: str) -> Sequence[str]:
        """Return an account's regions, sorted; see :meth:`regions_assumed`."""
        entry = self._entry(account_id)
        return default_regions(entry.session.partition) if entry.refusal else entry.session.regions()

    def regions_of(self, account_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the regions of each account, all of which are asked at the same time."""
        with ThreadPoolExecutor(_RESOLVERS) as pool:
            return dict(zip(account_ids, pool.map(self.regions, account_ids), strict=True))

    def regions_assumed(self, account_id: str) -> str:
        """Return why :meth:`regions` answered with AWS's default regions, empty if AWS told."""
        entry = self._entry(account_id)
        return str(entry.refusal) if entry.refusal else entry.session.regions_assumed

    def offers(self, account_id: str, service: str, region: str) -> bool:
        """Return whether there is any use in asking a service in a region; raises as :meth:`client`."""
        return self._entered(account_id).offers(service, region)

    def partition(self, account_id: str) -> str:
        """Return the partition of an account, as far as is known without a call."""
        return self._entry(account_id).session.partition

    def needs_person(self, account_id: str) -> bool:
        """Return whether somebody must type a code to get into an account."""
        return _asks_for_code(self._entry(account_id).session)

    def generation(self, account_id: str) -> int:
        """Return a number that changes whenever the account's credentials are renewed."""
        return self._entry(account_id).session.generation

    def renew(self, account_id: str, generation: int) -> bool:
        """Read credentials anew, once for all that saw the same ``generation`` expire; return whether it is any use."""
        return self._entry(account_id).session.renew(generation)

    def release(self, account_id: str, region: str) -> None:
        """Forget the clients of a region that is done."""
        self._entry(account_id).session.release(region)

    def paginator(self, service: str, operation: str) -> Mapping[str, Any] | None:
        """Return botocore's pagination rules of an operation, ``None`` if it answers in one piece."""
        rules: Mapping[str, Any] | None = self._pagination(service).get(operation)
        return rules

    def close(self) -> None:
        """Close every client's connections; a client asked for later is made anew."""
        for session in (*self._configured, *chain.from_iterable(self._members.values())):
            session.close()
        operators = vars(self).get("operators", self)
        if operators is not self:
            operators.close()

    @lru_cache(maxsize=256)  # noqa: B019 - one object a notebook, and it lives as long as its kernel
    def _pagination(self, service: str) -> Mapping[str, Any]:
        rules: dict[str, Any] = self._factory.loader.load_service_model(service, "paginators-1")["pagination"]
        return rules

    def _entry(self, account_id: str) -> Entry:
        entry = self._entries.get(account_id)
        if entry is None:
            found = self.accounts()
            entry = self._entries.get(account_id)
            if entry is None:
                known = ", ".join(f"{account.account_id} ({account.name})" for account in found)
                what = f"account {account_id} is not configured"
                raise ConfigurationError(what, f"the accounts are {known}", "Add it to [[accounts]].")
        return entry

    def _entered(self, account_id: str) -> AccountSession:
        entry = self._entry(account_id)
        if not entry.settled:
            with self._lock:
                self._enter([entry.session])
            entry = self._entry(account_id)
        if entry.refusal:
            raise entry.refusal
        return entry.session

    def _expanded(self, chosen: Collection[str] | None) -> Sequence[AccountSession]:
        """Return every session, those of an organisation's accounts included; the caller holds the lock."""
        for session in self._configured:
            wanted = chosen is None or may_be(session.account, chosen)
            if session.account.organization_role and session not in self._members and wanted:
                members = member_accounts(session, [each.name for each in self.configured])
                self._members[session] = [AccountSession(each, self._factory, self._threads) for each in members]
        return [each for one in self._configured for each in (one, *self._members.get(one, ()))]

    @property
    def _of_organizations(self) -> Collection[AccountSession]:
        return set(chain.from_iterable(self._members.values()))

    def _enter(self, sessions: Sequence[AccountSession], *, with_regions: bool = False) -> None:
        """Ask who we are in each account that is not settled yet; the caller holds the lock."""
        known = {entry.session: entry for entry in self._entries.values()}
        asked = [session for session in sessions if session not in known or not known[session].settled]
        for session in asked:
            if session in known:
                session.renew(session.generation)
        outcomes = _identified(asked, with_regions=with_regions)
        none_works = all(isinstance(outcome, AwsError) for outcome in outcomes.values()) and len(asked) == len(sessions)
        for session, outcome in outcomes.items():
            entry = checked(session, outcome)
            if entry.refusal and (none_works or not entry.account.account_id):
                raise entry.refusal
            self._add(entry)

    def _add(self, entry: Entry) -> None:
        account_id = entry.account.account_id
        other = self._entries.get(account_id)
        if other and entry.session in self._of_organizations:
            return  # who is configured by itself is entered that way
        if other and other.session is not entry.session and other.session not in self._of_organizations:
            what = f"{label(other.session.account)} and {label(entry.session.account)} are one account, {account_id}"
            raise ConfigurationError(what, "an account may be configured once", "Remove one of them.")
        self._entries[account_id] = entry


def _identified(asked: Sequence[AccountSession], *, with_regions: bool) -> Mapping[AccountSession, Caller | AwsError]:
    """Return who we are in accounts, or why one cannot be entered; asks for their regions meanwhile, if wanted."""
    told = {session: identify(session) for session in asked if _asks_for_code(session)}
    others = [session for session in asked if session not in told]
    with ThreadPoolExecutor(_RESOLVERS) as pool, ThreadPoolExecutor(_RESOLVERS) as beside:
        try:
            if with_regions:
                # Whoever did not get in by typing a code is not asked for another one, least of all by a thread.
                for session in [each for each in asked if not isinstance(told.get(each), AwsError)]:
                    beside.submit(session.regions)
            told.update(zip(others, pool.map(identify, others), strict=True))
        except BaseException:
            # After an interrupt nobody wants those that have not been asked for.
            beside.shutdown(wait=False, cancel_futures=True)
            raise
    return {session: told[session] for session in asked}


def _asks_for_code(session: AccountSession) -> bool:
    """Return whether somebody must type a code; a prompt from a worker thread would hang unseen."""
    try:
        return session.needs_person
    except AwsError:
        return False
