"""The parts behind ``CloudOps``, and which part uses which."""

from __future__ import annotations

import os
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.execution.journal_kinds import unfinished_executions
from cloudops_nb.model import Account
from cloudops_nb.settings import SERVER_TOKEN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.client.asking import Assistant
    from cloudops_nb.client.scan_schedule import ScanSchedule
    from cloudops_nb.client.scanning import ScanRunner
    from cloudops_nb.embedding import Embedder
    from cloudops_nb.execution.engine import ExecutionEngine
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.model import BoundPlaybook, JournalRecord
    from cloudops_nb.request.ports import Transport
    from cloudops_nb.settings import Settings
    from cloudops_nb.ssm.catalogue import Catalogue
    from cloudops_nb.storage.facade import StorageService


class Parts:
    """The parts behind one ``CloudOps``, each made at its first use.

    The imports are here and not at the top of the module, because loading all parts takes seconds, and most uses need
    few of them.

    Args:
        settings: The settings in force.

    Attributes:
        storage: The store, opened when the parts are made.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._embedder_lock = threading.RLock()
        self._embedder: Embedder | None = None
        from cloudops_nb.storage.facade import StorageService

        self.storage: StorageService = StorageService(settings, self.embedder)
        self.storage.block_maintenance_while(self.busy)

    def recover(self) -> None:
        """Settle the executions and scans of processes that died."""
        # The engine takes longer to import than the store to open, and most openings have nothing to settle.
        if unfinished_executions(self.storage.journal):
            self.engine.recover()
        self.scans.recover()

    def close(self) -> None:
        """Wait for running executions, stop the regular scans, and close the store and the AWS sessions."""
        # A running execution writes to the journal and calls AWS, so it ends before either is closed.
        # A cached property is in vars() once it was used; closing must not make a part.
        for execution in self.engine.running if "engine" in vars(self) else ():
            execution.wait()
        if "schedule" in vars(self):
            # A scan's thread may outlast this close; without this it would open the store again.
            self.storage.shut_out(self.schedule.close())
        self.storage.close()
        if "sessions" in vars(self):
            self.sessions.close()

    def busy(self) -> str:
        """Return what is running here that needs the store, empty if nothing is."""
        if "engine" in vars(self) and self.engine.running:
            return "an approved plan is running here"
        return "a scan is running here" if self.scans.scanning else ""

    def embedder(self) -> Embedder:
        """Return the embedding model, loaded at the first call; threads share it."""
        from cloudops_nb.embedding import open_embedder

        with self._embedder_lock:
            if self._embedder is None:
                self._embedder = open_embedder(self.settings)
            return self._embedder

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        """The configured accounts."""
        return tuple(Account(**account.model_dump()) for account in self.settings.accounts)

    @cached_property
    def sessions(self) -> AccountSessions:
        """The AWS sessions of the configured accounts."""
        from cloudops_nb.aws.sessions import AccountSessions

        return AccountSessions(self.accounts, threads=self.settings.scan_threads)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The playbooks on this host."""
        from cloudops_nb.ssm.catalogue import Catalogue

        return Catalogue.bundled()

    @cached_property
    def scans(self) -> ScanRunner:
        """The scans into the store."""
        from cloudops_nb.client.scanning import ScanRunner

        return ScanRunner(self.storage, lambda: self.sessions, self.settings)

    @cached_property
    def schedule(self) -> ScanSchedule:
        """The regular scans, which run once they are started."""
        from cloudops_nb.client.scan_schedule import ScanSchedule

        # Always ready: the store exists since the parts were made.
        return ScanSchedule(self.storage, self.settings, self.scans.scan_unattended, ready=lambda: True)

    @cached_property
    def engine(self) -> ExecutionEngine:
        """The execution engine: plans, approvals and executions."""
        from cloudops_nb.execution.engine import ExecutionEngine

        return ExecutionEngine(
            LazyClients(lambda: self.sessions.operators),
            CurrentJournal(self.storage),
            self.catalogue,
            approval_minutes=self.settings.approval_minutes,
            locks_path=self.settings.data_path / "locks",
            after_run=self.scans.refresh,
        )

    @cached_property
    def assistant(self) -> Assistant:
        """Answers requests in words."""
        from cloudops_nb.client.asking import Assistant

        environments = {account.name: account.environment for account in self.accounts}
        return Assistant(self.storage, self.catalogue, lambda: self.transport, self.prepare, environments)

    @cached_property
    def transport(self) -> Transport:
        """The way to the playbook server: HTTP if ``server_url`` is set, else a server in this process."""
        from cloudops_nb.request.transport import HttpTransport, InProcessTransport

        if self.settings.server_url:
            return HttpTransport(self.settings.server_url, os.environ.get(SERVER_TOKEN_VARIABLE, ""))
        from cloudops_nb.server.pipeline import PlaybookServer
        from cloudops_nb.server.similarity import EmbeddingSimilarity

        return InProcessTransport(PlaybookServer(self.catalogue, EmbeddingSimilarity(self.embedder)).handle)

    def prepare(self, bound: BoundPlaybook, *, rolls_back: str = "") -> Plan:
        """Return the plan of a bound playbook.

        Args:
            bound: The playbook with its parameters and targets.
            rolls_back: The id of the execution that the plan undoes, if it undoes one.

        Raises:
            ConfigurationError: The targets' account is not configured.
            PlanError: The plan cannot be made.
        """
        from cloudops_nb.client.dependents import dependents_of

        # By id, because an account's name may have been another one when the estate was scanned.
        account_id = bound.targets[0].account_id
        account = next((a for a in self.sessions.accounts({account_id}) if a.account_id == account_id), None)
        if account is None:
            why = "its resources were scanned under another configuration"
            raise ConfigurationError(f"account {account_id} is not configured here", why, "Add it to accounts.")
        dependents = dependents_of(self.storage.estate, bound.targets)
        return self.engine.prepare(bound, account=account, dependents=dependents, rolls_back=rolls_back)


class CurrentJournal:
    """The current journal of the store, for the engine: a restore or a new key replaces the journal object."""

    def __init__(self, storage: StorageService) -> None:
        self._storage = storage

    def append(
        self, kind: str, subject: str, body: Mapping[str, Any], *, once: str = "", power_safe: bool = False
    ) -> JournalRecord:
        """Add a record."""
        return self._storage.journal.append(kind, subject, body, once=once, power_safe=power_safe)

    def records(self, **filters: Any) -> list[JournalRecord]:
        """Return records, oldest first."""
        return self._storage.journal.records(**filters)


class LazyClients:
    """AWS clients for the engine; the sessions are opened when the first client is requested."""

    def __init__(self, sessions: Callable[[], AccountSessions]) -> None:
        self._sessions = sessions

    def client(self, account_id: str, service: str, region: str) -> Any:
        """Return a client of an account."""
        return self._sessions().client(account_id, service, region)

    def caller(self, account_id: str, *, fresh: bool = False) -> Any:
        """Return the principal that an account's clients act as; ``fresh`` asks AWS again."""
        return self._sessions().caller(account_id, fresh=fresh)
