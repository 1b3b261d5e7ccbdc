"""``CloudOps``, the front door: wires the parts; every magic and command is a thin shell over one of its methods."""

from __future__ import annotations

import getpass
import os
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from cloudops_nb.client.frames import hits_frame, ledger_frame, rows_frame
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.model import Account, ResourceFilter
from cloudops_nb.settings import SERVER_TOKEN_VARIABLE, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.client.answer import Answer
    from cloudops_nb.client.asking import Assistant
    from cloudops_nb.client.scan_schedule import ScanSchedule
    from cloudops_nb.client.scanning import Inventory
    from cloudops_nb.embedding import Embedder
    from cloudops_nb.execution.engine import ExecutionEngine
    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.plan import Approval, Channel, Plan, PlanStatus
    from cloudops_nb.model import BoundPlaybook, SearchHit
    from cloudops_nb.request.ports import Transport
    from cloudops_nb.scanner.report import ScanReport
    from cloudops_nb.scanner.running.progress import Progress
    from cloudops_nb.settings import Settings
    from cloudops_nb.ssm.catalogue import Catalogue
    from cloudops_nb.storage.backup.backup_report import BackupReport
    from cloudops_nb.storage.backup.service import BackupService
    from cloudops_nb.storage.opening.open_store import StorageService


class CloudOps:
    """AWS operations from a notebook or a script; also a context manager.

    Opening creates the store if it is missing and checks its key; it reads nothing from AWS. Methods may be called from
    several threads, and several processes may use one data path.

    Args:
        data_path: The store's folder, ``~/.cloudops`` if nothing else is set.
        settings: Any field of :class:`cloudops_nb.settings.Settings` by name.

    Raises:
        ConfigurationError: A setting is unknown or does not fit.
        StorageError: The store cannot be opened: its key is missing or another, or a file is corrupted.
    """

    def __init__(self, data_path: str | Path | None = None, **settings: Any) -> None:
        self.settings: Settings = load_settings(data_path, **settings)
        self._lock = threading.RLock()
        self._open_embedder: Embedder | None = None
        self._conversation = ""
        from cloudops_nb.storage.opening.open_store import StorageService

        self.storage: StorageService = StorageService(self.settings, self._embedder)
        self.storage.needed_while(self._busy)
        self.engine.recover()
        self._inventory.recover()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for runs under way, end regular scans, then flush and let go of the store and the connections to AWS."""
        for execution in self.engine.running:
            execution.wait()
        if "schedule" in vars(self):
            self.storage.shut_out(self.schedule.close())
        self.storage.close()
        if "sessions" in vars(self):
            self.sessions.close()

    # --- the estate -----------------------------------------------------------------------------------------------

    def scan(
        self,
        accounts: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
        services: Sequence[str] | None = None,
        mode: str = "full",
        *,
        every_detail: bool = False,
        executor: Executor | str | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> ScanReport:
        """Discover resources and keep them in the store.

        Args:
            accounts: Names or ids of configured accounts; all if not given.
            regions: Regions; the settings', else every region the accounts have enabled.
            services: botocore's service names, resource types, or CloudFormation types, which Cloud Control lists where
                there is no declaration; the settings', else all that are declared.
            mode: ``full``, or ``incremental`` for what may have changed since it was read, as CloudTrail recorded.
            every_detail: Whether to read what costs a call a resource too.
            executor: What reads the cells instead of threads of this process: an executor, which is not shut down, or
                ``dask:ADDRESS`` for a Dask cluster.
            progress: Called on this thread with the scan's progress.

        Raises:
            ConfigurationError: An account, region, service, mode or executor is unknown.
            AwsError: No account can be entered.
        """
        return self._inventory.scan(
            accounts=accounts,
            regions=regions or self.settings.regions or None,
            services=services or self.settings.services or None,
            mode=mode,
            every_detail=every_detail,
            executor=executor,
            progress=progress,
        )

    def planned_calls(
        self,
        accounts: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
        services: Sequence[str] | None = None,
        *,
        every_detail: bool = False,
    ) -> pd.DataFrame:
        """Return the list calls that a scan would make, one row each, without making them."""
        return self._inventory.planned_calls(
            accounts=accounts,
            regions=regions or self.settings.regions or None,
            services=services or self.settings.services or None,
            every_detail=every_detail,
        )

    def resource_types(self, *, cloud_control: bool = False, account: str = "") -> pd.DataFrame:
        """Return the resource types that :meth:`scan` knows, one row each.

        Args:
            cloud_control: Whether to ask AWS, too, for the types beyond those, which Cloud Control lists.
            account: Which account to ask; the first one if not given.

        Raises:
            AwsError: AWS does not tell.
        """
        return self._inventory.resource_types(cloud_control=cloud_control, account=account)

    @cached_property
    def schedule(self) -> ScanSchedule:
        """The regular scans, which run once they are started."""
        from cloudops_nb.client.scan_schedule import ScanSchedule

        # Opening has made the store.
        return ScanSchedule(self.storage, self.settings, self._unattended_scan, ready=lambda: True)

    def _unattended_scan(self, mode: str, progress: Callable[[Progress], None]) -> ScanReport:
        accounts = self._inventory.unattended_accounts()
        regions, services = self.settings.regions or None, self.settings.services or None
        return self._inventory.scan(accounts=accounts, regions=regions, services=services, mode=mode, progress=progress)

    def search(self, query: str, *, limit: int = 10, **filters: Any) -> pd.DataFrame:
        """Return the best matches for words, a name, an id or a tag, best first.

        Args:
            query: What to look for.
            limit: How many rows at the most.
            filters: ``account``, ``region``, ``service``, ``resource_type``, ``state``, ``tags``.

        Returns:
            One row a resource; ``why`` says what speaks for it, and ``.attrs["understood"]`` how the query was read.
        """
        estate = self.storage.estate
        frame = hits_frame(estate.search(query, limit=limit, where=ResourceFilter.of(filters)), scored=True)
        frame.attrs["understood"] = str(estate.understand(query))
        return frame

    def resources(self, *, depends_on: str = "", **filters: Any) -> pd.DataFrame:
        """Return every resource that passes the filters of :meth:`search`.

        Args:
            depends_on: Only what names this resource, by id, name or ARN, in one of its relations.
            filters: As for :meth:`search`.

        Raises:
            ConfigurationError: There is no such filter, or no resource to depend on.
        """
        found: Iterable[SearchHit] = self.storage.estate.resources(ResourceFilter.of(filters))
        if depends_on:
            found = self._inventory.depending(found, depends_on)
        return hits_frame(found, scored=False)

    def places(self) -> dict[str, list[str]]:
        """Return the accounts, regions, services and resource types that the store knows, for completion."""
        fields = ("account_name", "region", "service", "resource_type")
        names = ("accounts", "regions", "services", "resource_types")
        facets = self.storage.estate.facets
        return {name: sorted(facets(field)) for name, field in zip(names, fields, strict=True)}

    # --- requests and plans ---------------------------------------------------------------------------------------

    def preview(self, prompt: str) -> bytes:
        """Return the exact bytes that :meth:`ask` would send now, but for the random request id; sends nothing.

        They are empty if it would send none.
        """
        return self._assistant.preview(prompt, self._conversation)

    def ask(self, prompt: str, *, conversation: str | None = None) -> Answer:
        """Answer a request in words with a plan, a question back, information, or a refusal.

        Args:
            prompt: The request.
            conversation: Which conversation it continues; this object's own if not given.

        Raises:
            PromptError: The request is empty or too long.
            EgressRefusedError: The gate stopped it, or the playbook server did not answer.
        """
        answer = self._assistant.ask(prompt, conversation or self._conversation)
        if conversation is None:
            self._conversation = answer.conversation
        return answer

    def plan(self, plan_id: str) -> Plan:
        """Return a plan made earlier, in this kernel or another."""
        return self.engine.plan(plan_id)

    def plan_status(self, plan: Plan) -> PlanStatus:
        """Return where a plan stands."""
        return self.engine.status(plan)

    def approve(self, plan: Plan, *, reason: str, phrase: str | None = None) -> Approval:
        """Approve a plan from code (channel ``api``): never enough for production or destructive plans.

        Raises:
            ApprovalRefusedError: The channel is too weak, the phrase is wrong, or the plan was edited or expired.
        """
        from cloudops_nb.execution.plan import Channel

        return self.engine.approve(plan, channel=Channel.API, by=getpass.getuser(), reason=reason, phrase=phrase)

    def decide(
        self, plan: Plan | str, *, approve: bool, channel: Channel, by: str, reason: str, phrase: str | None = None
    ) -> Approval | None:
        """Record a person's decision on a plan, taken on a card or in a terminal.

        Args:
            plan: The plan as it was shown, which must be the recorded one in every field; or its id.
            approve: Whether the person said yes.
            channel: How they said it.
            by: Who they are.
            reason: Why; an approval needs one.
            phrase: What they typed, where the plan asks for a phrase.

        Raises:
            ApprovalRefusedError: The plan cannot be approved this way.
        """
        plan = self.engine.plan(plan) if isinstance(plan, str) else plan
        if approve:
            return self.engine.approve(plan, channel=channel, by=by, reason=reason, phrase=phrase)
        self.engine.reject(plan, channel=channel, by=by, reason=reason)
        return None

    def apply(self, plan: Plan, *, executor: str = "sdk", dry_run: bool = False) -> Execution:
        """Run an approved plan, unchanged; the returned execution yields its events.

        Raises:
            ApprovalRequired: Nobody approved it.
            ApprovalRefusedError: The approval is used or expired, or the plan was edited.
            DriftError: A resource changed since the plan was shown.
            JournalError: The journal was tampered with, so that nobody can say what was approved or used.
        """
        if executor != "sdk":
            raise ConfigurationError(f"unknown executor {executor}", "", "Use executor='sdk'.")
        self.storage.journal.verify()
        return self.engine.apply(plan, dry_run=dry_run)

    def rollback(self, execution: Execution | str) -> Plan:
        """Return the plan that undoes an execution; it needs an approval of its own.

        Raises:
            PlanError: There is no way back; the message says so plainly.
        """
        bound, rolls_back = self.engine.rollback(execution)
        return self._prepare(bound, rolls_back=rolls_back)

    # --- the record -----------------------------------------------------------------------------------------------

    def history(self, **filters: Any) -> pd.DataFrame:
        """Return plans and executions, one row each, the newest last."""
        from cloudops_nb.execution.history import HISTORY_COLUMNS

        return rows_frame(self.engine.history(**filters), HISTORY_COLUMNS)

    def ledger(self, *, since: datetime | None = None, destination: str = "", purpose: str = "") -> pd.DataFrame:
        """Return the requests that left this host, with their bodies, the newest last.

        Args:
            since: Only those from this time on, in UTC.
            destination: Only those that went there.
            purpose: Only those sent for this.
        """
        records = self.storage.journal.records(kind="egress", since=since)
        wanted = {"destination": destination, "purpose": purpose}
        return ledger_frame(
            record for record in records if all(record.body[name] == value for name, value in wanted.items() if value)
        )

    # --- backup ---------------------------------------------------------------------------------------------------

    @property
    def backups(self) -> BackupService:
        """Snapshots: the list of them, and the regular ones, which run once they are started."""
        return self.storage.backup

    def backup(self, *kinds: str) -> BackupReport:
        """Take a snapshot of the estate, the conversations and the journal, and upload it if a bucket is set.

        Args:
            kinds: ``aws_estate``, ``chat_history``, ``journal``; all if none is named.

        Returns:
            One row a snapshot, also as ``.frame``; what could not be saved or uploaded is in ``.problems``.
        """
        return self.storage.backup.snapshot(*kinds)

    def restore(
        self, source: str | Path = "latest", *kinds: str, merge: bool = False, set_aside: bool = False
    ) -> BackupReport:
        """Verify snapshots, then put them in the place of what the store has; a part that fails stays as it was.

        Args:
            source: ``latest`` for the newest of each kind, here or in the bucket; a snapshot's name; or a file.
            kinds: For ``latest``, what to restore; everything if none is named.
            merge: Whether what the store has stays; where both have it, the newer.
            set_aside: Whether a journal that the snapshot does not continue is copied aside and replaced.

        Raises:
            BackupError: There is no such snapshot.
            StoreUnavailableError: Another program, or a run of this one, is using the store.
        """
        return self.storage.backup.restore(source, *kinds, merge=merge, set_aside=set_aside)

    def health(self) -> Mapping[str, Any]:
        """Return the store's health; reads nothing from AWS."""
        return self.storage.health()

    # --- wiring ---------------------------------------------------------------------------------------------------

    def _busy(self) -> str:
        """What is going on here that needs the store; empty if nothing does."""
        if "engine" in vars(self) and self.engine.running:
            return "an approved plan is running here"
        return "a scan is running here" if self._inventory.scanning else ""

    def _embedder(self) -> Embedder:
        from cloudops_nb.embedding import open_embedder

        with self._lock:
            if self._open_embedder is None:
                self._open_embedder = open_embedder(self.settings)
            return self._open_embedder

    @cached_property
    def _accounts(self) -> tuple[Account, ...]:
        return tuple(Account(**account.model_dump()) for account in self.settings.accounts)

    @cached_property
    def sessions(self) -> AccountSessions:
        """The AWS sessions of the configured accounts, as which scans read; ``operators`` are those of plans."""
        from cloudops_nb.aws.sessions import AccountSessions

        return AccountSessions(self._accounts, threads=self.settings.scan_threads)

    @cached_property
    def catalogue(self) -> Catalogue:
        """This host's playbooks."""
        from cloudops_nb.ssm.catalogue import Catalogue

        return Catalogue.bundled()

    @cached_property
    def _inventory(self) -> Inventory:
        from cloudops_nb.client.scanning import Inventory

        return Inventory(self.storage, lambda: self.sessions, self.settings)

    @cached_property
    def engine(self) -> ExecutionEngine:
        """Plans, approvals and executions."""
        from cloudops_nb.client.engine_ports import LazyClients, PresentJournal
        from cloudops_nb.execution.engine import ExecutionEngine

        return ExecutionEngine(
            LazyClients(lambda: self.sessions.operators),
            PresentJournal(self.storage),
            self.catalogue,
            approval_minutes=self.settings.approval_minutes,
            locks_path=self.settings.data_path / "locks",
            after_run=self._inventory.refresh,
        )

    @cached_property
    def _assistant(self) -> Assistant:
        from cloudops_nb.client.asking import Assistant

        environments = {account.name: account.environment for account in self._accounts}
        return Assistant(self.storage, self.catalogue, lambda: self._transport, self._prepare, environments)

    @cached_property
    def _transport(self) -> Transport:
        from cloudops_nb.request.transport import HttpTransport, InProcessTransport

        if self.settings.server_url:
            return HttpTransport(self.settings.server_url, os.environ.get(SERVER_TOKEN_VARIABLE, ""))
        from cloudops_nb.server.pipeline import PlaybookServer
        from cloudops_nb.server.similarity import EmbeddingSimilarity

        return InProcessTransport(PlaybookServer(self.catalogue, EmbeddingSimilarity(self._embedder)).handle)

    def _prepare(self, bound: BoundPlaybook, *, rolls_back: str = "") -> Plan:
        # By id, as AWS tells it: a name is the configuration's, and may have been another when the estate was scanned.
        account_id = bound.targets[0].account_id
        account = next((a for a in self.sessions.accounts({account_id}) if a.account_id == account_id), None)
        if account is None:
            what = f"account {account_id} is not configured here"
            raise ConfigurationError(
                what, "its resources were scanned under another configuration", "Add it to accounts."
            )
        return self.engine.prepare(
            bound, account=account, dependents=self._inventory.dependents(bound.targets), rolls_back=rolls_back
        )
