"""Makes the parts that ``CloudOps`` delegates to, and connects them with each other."""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import CloudOpsWarning, ConfigurationError, DecryptionError, JournalError
from cloudops_nb.execution.journal_kinds import unfinished_executions
from cloudops_nb.model import Account
from cloudops_nb.settings import SERVER_TOKEN_VARIABLE
from cloudops_nb.storage.deadline import in_daemon_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from datetime import datetime

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.client.asking import Assistant
    from cloudops_nb.client.document_plans import DocumentPlanner
    from cloudops_nb.client.host_playbooks import HostPlaybooks
    from cloudops_nb.client.scan_schedule import ScanSchedule
    from cloudops_nb.client.scanning import ScanRunner
    from cloudops_nb.embedding import Embedder
    from cloudops_nb.execution.engine import ExecutionEngine
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.model import BoundPlaybook, JournalRecord
    from cloudops_nb.request.ports import Transport
    from cloudops_nb.settings import Settings
    from cloudops_nb.ssm.catalogue import Catalogue
    from cloudops_nb.storage.estate.integrity import IntegrityReport
    from cloudops_nb.storage.facade import StorageService

_log = logging.getLogger(__name__)
#: The least time between two checks of the estate's rows that searches start, in seconds.
_ESTATE_CHECK_SECONDS = 60.0


class Parts:
    """The parts of one ``CloudOps``; except for the store, each part is made at its first use.

    Each method imports the module of its part, because importing all modules takes seconds, and most programs use few
    of them.

    Args:
        settings: The settings in force.

    Attributes:
        storage: The store.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._embedder_lock = threading.RLock()
        self._embedder: Embedder | None = None
        self._estate_check_lock = threading.Lock()
        self._estate_check: Future[IntegrityReport] | None = None
        self._estate_checked = 0.0
        self._estate_warnings: set[str] = set()
        from cloudops_nb.storage.facade import StorageService
        from cloudops_nb.telemetry import switch_telemetry_off

        # Before the first embedding, because another package may import ONNX Runtime until then.
        switch_telemetry_off()

        self.storage: StorageService = StorageService(settings, self.embedder)
        self.storage.block_maintenance_while(self.busy)

    def recover(self) -> None:
        """Record the end of executions and scans whose process died.

        With a journal that cannot be read, nothing is recovered: the store still opens, for searches and scans, and the
        health check reports the journal.
        """
        try:
            # Importing the engine takes longer than opening the store, and usually no execution is unfinished.
            if unfinished_executions(self.storage.journal):
                self.engine.recover()
            self.scans.recover()
        except (DecryptionError, JournalError) as error:
            _log.warning("unfinished executions and scans were not recovered: %s", error)

    def check_estate(self) -> None:
        """Start a check of the estate's rows in a thread of its own; warn of each difference that an earlier one found.

        A search does not wait for the check, which reads every row. Checks begin at least
        :data:`_ESTATE_CHECK_SECONDS` apart, and only the first reads an estate that has not changed.
        """
        now = time.monotonic()
        with self._estate_check_lock:
            latest = self._estate_check
            if latest is not None and not latest.done():
                return
            if latest is None or now - self._estate_checked >= _ESTATE_CHECK_SECONDS:
                check = partial(self.storage.estate.integrity.check, again=False)
                self._estate_check = in_daemon_thread(check, "cloudops-estate-check")
                self._estate_checked = now
            if latest is None or latest.exception() is not None:  # the status reports a store that cannot be read
                return
            new = [line for line in latest.result().warnings() if line not in self._estate_warnings]
            self._estate_warnings.update(new)
        for difference in new:
            warnings.warn(difference, CloudOpsWarning, stacklevel=3)

    def close(self) -> None:
        """Wait for running executions, stop the regular scans, and close the store and the AWS sessions."""
        # Wait for running executions first, because they need the journal and the AWS sessions.
        # vars() contains a cached property only after its first use, so closing does not make a part.
        for execution in self.engine.running if "engine" in vars(self) else ():
            execution.wait()
        if "schedule" in vars(self):
            # The thread of a regular scan may outlast this call; it must not reopen the closed store.
            self.storage.shut_out(self.schedule.close())
        self.storage.close()
        if "sessions" in vars(self):
            self.sessions.close()

    def busy(self) -> str:
        """Return why a restore or other maintenance of the store must wait; empty if nothing is running."""
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

        return AccountSessions(self.accounts, threads=self.settings.scan_threads, regions=self.settings.regions)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The bundled playbooks, the only ones that the playbook server knows."""
        from cloudops_nb.ssm.catalogue import Catalogue

        return Catalogue.bundled()

    @cached_property
    def playbooks(self) -> HostPlaybooks:
        """The playbooks of this host: the bundled ones and one's own."""
        from cloudops_nb.client.host_playbooks import HostPlaybooks

        return HostPlaybooks(self.settings.data_path)

    @cached_property
    def documents(self) -> DocumentPlanner:
        """Makes plans of documents that a person names."""
        from cloudops_nb.client.document_plans import DocumentPlanner

        return DocumentPlanner(
            self.storage,
            self.playbooks,
            sessions=lambda: self.sessions,
            prepare=self.prepare,
            regions=self.settings.regions,
        )

    @cached_property
    def scans(self) -> ScanRunner:
        """Runs scans and writes what they read to the store."""
        from cloudops_nb.client.scanning import ScanRunner

        return ScanRunner(self.storage, lambda: self.sessions, self.settings)

    @cached_property
    def schedule(self) -> ScanSchedule:
        """The regular scans; they run after ``schedule.start()``."""
        from cloudops_nb.client.scan_schedule import ScanSchedule

        # Always ready, because recover(), which CloudOps calls first, has created a missing store.
        return ScanSchedule(self.storage, self.settings, self.scans.scan_unattended, ready=lambda: True)

    @cached_property
    def engine(self) -> ExecutionEngine:
        """The execution engine: plans, approvals and executions."""
        from cloudops_nb.execution.engine import ExecutionEngine
        from cloudops_nb.storage.scan_locks import FOLDER_NAME

        return ExecutionEngine(
            LazyClients(lambda: self.sessions.operators),
            CurrentJournal(self.storage),
            self.playbooks.catalogue,
            approval_minutes=self.settings.approval_minutes,
            locks_path=self.settings.data_path / FOLDER_NAME,
            after_run=self.scans.refresh,
        )

    @cached_property
    def assistant(self) -> Assistant:
        """Answers prompts, which a person writes in plain words."""
        from cloudops_nb.client.asking import Assistant

        environments = {account.name: account.environment for account in self.accounts}
        return Assistant(self.storage, self.catalogue, lambda: self.transport, self.prepare, environments)

    @cached_property
    def transport(self) -> Transport:
        """The transport to the playbook server: HTTP if ``server_url`` is set, else a server in this process."""
        from cloudops_nb.request.transport import HttpTransport, InProcessTransport

        if self.settings.server_url:
            return HttpTransport(self.settings.server_url, os.environ.get(SERVER_TOKEN_VARIABLE, ""))
        from cloudops_nb.server.pipeline import PlaybookServer
        from cloudops_nb.server.similarity import EmbeddingSimilarity

        return InProcessTransport(PlaybookServer(self.catalogue, EmbeddingSimilarity(self.embedder)).handle)

    def prepare(
        self, bound: BoundPlaybook, *, rolls_back: str = "", account: Account | None = None, override: bool = False
    ) -> Plan:
        """Return a plan for a playbook whose parameters and targets are filled in.

        Args:
            bound: The playbook with its parameters and targets.
            rolls_back: The id of the execution that the plan undoes; empty for any other plan.
            account: The account of a playbook that may have no target; if not given, the account of the targets.
            override: Whether the plan may hold APIs that are not reviewed.

        Raises:
            ConfigurationError: The targets' account is not configured.
            PlanError: The plan cannot be made, for example because a target no longer exists.
            StoreCorruptedError: The plan is destructive, and the estate was altered.
        """
        from cloudops_nb.client.dependents import dependents_of, not_looked_at
        from cloudops_nb.client.intact_estate import ReadFailures
        from cloudops_nb.specs.files import specs_of

        if account is None:
            account = self._account_of(bound)
        failures = ReadFailures(self.storage)
        found = dependents_of(self.storage.estate, bound.targets)
        dependents = {key: [each.label for each in of_target] for key, of_target in found.items()}
        left_out = failures.count
        unknown = not_looked_at(self.storage, bound.targets, specs_of(self.settings.data_path)) if found else []
        if left_out:
            unknown.append(f"resources that cannot be decrypted ({left_out} failures); a scan writes them again")
        if unknown:
            perhaps = f"perhaps more, not looked at: {'; '.join(unknown)}"
            dependents = {key: [*labels, perhaps] for key, labels in dependents.items()}
        return self.engine.prepare(
            bound,
            account=account,
            dependents=dependents,
            rolls_back=rolls_back,
            override=override,
            check=lambda plan: self.check_estate_for(plan, left_out),
        )

    def _account_of(self, bound: BoundPlaybook) -> Account:
        """Return the configured account of a playbook's targets."""
        if not bound.targets:
            raise ConfigurationError("the account of the plan is unknown", "the playbook has no target", "Name one.")
        # Find the account by id, because it may have had a different name when its resources were scanned.
        account_id = bound.targets[0].account_id
        account = next((a for a in self.sessions.accounts({account_id}) if a.account_id == account_id), None)
        if account is None:
            why = "its resources were scanned with a different configuration"
            fix = "Add the account to the setting accounts."
            raise ConfigurationError(f"account {account_id} is not configured", why, fix)
        return account

    def check_estate_for(self, plan: Plan, left_out: int = 0) -> None:
        """Check the estate's rows before a destructive plan is recorded.

        Args:
            plan: The plan.
            left_out: How often a row that may depend on the plan's targets could not be decrypted.

        Raises:
            StoreCorruptedError: The plan is destructive, and the estate was altered or has unreadable rows.
        """
        from cloudops_nb.client.intact_estate import require_intact
        from cloudops_nb.execution.plan import Effect

        if plan.effect is Effect.DESTRUCTIVE:
            # A row that was hidden may be a second resource of the same name, or a dependent that the card must show.
            require_intact(self.storage, left_out, "a stored resource that may depend on a target")


class CurrentJournal:
    """Passes the engine's calls to the current journal, because a restore or a new key replaces the journal object."""

    def __init__(self, storage: StorageService) -> None:
        self._storage = storage

    def append(
        self, kind: str, subject: str, body: Mapping[str, Any], *, once: str = "", power_safe: bool = False
    ) -> JournalRecord:
        """Append a record, and return it."""
        return self._storage.journal.append(kind, subject, body, once=once, power_safe=power_safe)

    def records(self, **filters: Any) -> list[JournalRecord]:
        """Return the records that match the filters, oldest first."""
        return self._storage.journal.records(**filters)

    def latest_time(self) -> datetime | None:
        """Return the latest time of all records since the last accepted clock; ``None`` for an empty journal."""
        return self._storage.journal.latest_time()

    def accept_clock(self, body: Mapping[str, Any]) -> JournalRecord:
        """Record that the current time is right, although a record has a later time."""
        return self._storage.journal.accept_clock(body)

    def verify(self) -> object:
        """Check that no record was changed, added, removed or moved."""
        return self._storage.journal.verify()


class LazyClients:
    """Makes AWS clients for the engine, and opens the AWS sessions only when the engine requests a client."""

    def __init__(self, sessions: Callable[[], AccountSessions]) -> None:
        self._sessions = sessions

    def client(self, account_id: str, service: str, region: str) -> Any:
        """Return a client for a service in an account and region."""
        return self._sessions().client(account_id, service, region)

    def caller(self, account_id: str, *, fresh: bool = False) -> Any:
        """Return the principal whose credentials an account's clients use; ``fresh`` asks AWS again."""
        return self._sessions().caller(account_id, fresh=fresh)
