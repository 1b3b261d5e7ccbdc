"""``CloudOps``, the Python interface; the magics and the command line call its methods."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any, Self

from cloudops_nb.client.frames import ledger_frame, rows_frame
from cloudops_nb.client.wiring import Parts
from cloudops_nb.errors import CloudOpsError, ConfigurationError
from cloudops_nb.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.client.answer import Answer
    from cloudops_nb.client.scan_schedule import ScanSchedule
    from cloudops_nb.execution.channels import PersonChannel
    from cloudops_nb.execution.engine import ExecutionEngine
    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.plan import Approval, Plan, PlanStatus
    from cloudops_nb.scanner.report import ScanReport
    from cloudops_nb.scanner.running.scan_progress import Progress
    from cloudops_nb.settings import Settings
    from cloudops_nb.ssm.own_documents import PlaybookFile
    from cloudops_nb.storage.backup.backup_report import BackupReport
    from cloudops_nb.storage.backup.service import BackupService
    from cloudops_nb.storage.facade import StorageService


class CloudOps:
    """AWS operations from a notebook or a script; also a context manager.

    Opening a ``CloudOps`` creates the store if it is missing, checks the store's key, and makes no AWS call. Several
    threads may call its methods, and several processes may use one data path.

    Args:
        data_path: The store's folder; if not given, ``CLOUDOPS_DATA_PATH`` from the environment, else ``~/.cloudops``.
        settings: Any fields of :class:`cloudops_nb.settings.Settings`, as keywords.

    Attributes:
        settings: The settings in force.
        parts: The parts that the methods delegate to, for tests and tools that replace one of them.
        storage: The store: ``.estate``, ``.chat``, ``.journal``, ``.backup``.

    Raises:
        ConfigurationError: A setting is unknown or has an invalid value.
        StorageError: The store cannot be opened: its key is missing or wrong, or a file is corrupted.
    """

    def __init__(self, data_path: str | Path | None = None, **settings: Any) -> None:
        self.settings: Settings = load_settings(data_path, **settings)
        self.parts = Parts(self.settings)
        self.storage: StorageService = self.parts.storage
        self._conversation = ""
        try:
            self.parts.recover()
        except BaseException:
            # The caller gets no object to close, and the error's traceback keeps this one alive with its locks.
            self.parts.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait for running executions, stop the regular scans, and close the store and the AWS sessions."""
        self.parts.close()

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
            regions: Region names; if not given, the settings' regions, else every region that an account has enabled.
            services: botocore's service names, resource types, or CloudFormation types; if not given, the settings'
                services, else every declared type. Cloud Control reads a CloudFormation type that is not declared.
            mode: ``full``, or ``incremental`` to scan only what may have changed since the last scan, according to
                CloudTrail.
            every_detail: Whether to also read details that take one API call per resource.
            executor: Reads instead of this process's own threads: an executor, which the scan does not shut down, or
                ``dask:ADDRESS`` for a Dask cluster.
            progress: Called in the calling thread with the progress after each page and each result.

        Raises:
            ConfigurationError: An account, region, service, mode or executor is unknown.
            AwsError: No account can be accessed.
        """
        return self.parts.scans.scan(
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
        """Return, without making them, the calls of a full scan: one row per kind of call, account and region."""
        return self.parts.scans.planned_calls(
            accounts=accounts,
            regions=regions or self.settings.regions or None,
            services=services or self.settings.services or None,
            every_detail=every_detail,
        )

    def resource_types(self, *, cloud_control: bool = False, account: str = "") -> pd.DataFrame:
        """Return the resource types that :meth:`scan` can read, one row per type.

        Args:
            cloud_control: Whether to also ask AWS for further types, which Cloud Control can read.
            account: The name or id of the account to ask; the first configured account if not given.

        Raises:
            AwsError: The account cannot be accessed, or AWS refuses to list the types.
        """
        return self.parts.scans.resource_types(cloud_control=cloud_control, account=account)

    @property
    def schedule(self) -> ScanSchedule:
        """The regular scans; they run after ``schedule.start()``."""
        return self.parts.schedule

    def search(self, query: str, *, limit: int = 10, facts: bool = False, **filters: Any) -> pd.DataFrame:
        """Return the best matches for words, a name, an id or a tag, best first.

        Args:
            query: The words to search for.
            limit: The largest number of rows.
            facts: As for :meth:`resources`.
            filters: As for :meth:`resources`.

        Returns:
            One row per resource, with the reason for the match in ``why``. ``.attrs["understood"]`` says how the query
            was interpreted.

        Raises:
            ConfigurationError: A filter is unknown or cannot be used.
        """
        from cloudops_nb.client.querying import found_frame, query_of, require_known

        self.parts.check_estate()
        estate, asked = self.storage.estate, query_of(filters, self.settings.data_path)
        hits = estate.search_matching(query, asked, limit=limit)
        require_known(asked, hits, estate, self.settings.data_path, self._account_names)
        frame = found_frame(hits, asked, scored=True, facts=facts)
        frame.attrs["understood"] = str(estate.understand(query))
        return frame

    def resources(self, *, depends_on: str = "", facts: bool = False, **filters: Any) -> pd.DataFrame:
        """Return every resource that passes all filters (requirement S11).

        Args:
            depends_on: The id, name or ARN of a resource, to return only the resources with a relation to it.
            facts: Whether to add a column for each fact, metadata field and relation of the resources.
            filters: ``account``, ``region``, ``service``, ``resource_type``, ``state``, ``name``, ``identifier``,
                ``arn``, ``tags`` (a value by key), or a fact, a metadata field or a relation by name, such as
                ``encrypted=False``, ``instance_type="m5.*"`` or ``vpc="vpc-0a1b"``. Each takes a value or a list of
                values; a text may have the wildcards ``*`` and ``?``. For a tag or a fact, ``None`` means absent.

        Returns:
            One row per resource. If there is none, ``.attrs["note"]`` says what no resource passes.

        Raises:
            ConfigurationError: A filter, an account, a region, a service, a type, or the resource of ``depends_on`` is
                unknown.
        """
        from cloudops_nb.client.dependents import resources_named
        from cloudops_nb.client.querying import found_frame, query_of, require_known

        self.parts.check_estate()
        estate, asked = self.storage.estate, query_of(filters, self.settings.data_path)
        if depends_on:
            related = estate.related_to(resources_named(estate, depends_on))
            hits = estate.hits_of(each for each in related if asked.holds(each, whole=True))
        else:
            hits = estate.matching(asked)
        require_known(asked, hits, estate, self.settings.data_path, self._account_names)
        return found_frame(hits, asked, scored=False, facts=facts)

    @property
    def _account_names(self) -> list[str]:
        configured = self.settings.accounts
        return [text for each in configured for text in (each.name, each.account_id) if text]

    def forget_unscanned(self, *, dry_run: bool = False) -> pd.DataFrame:
        """Remove the resources of accounts, regions and types that are not scanned any more; return a row per cell.

        A full scan of everything configured finds them: their ``cell_state`` is ``not_configured``. Traces in the
        store's files, in conversations and in snapshots stay; ``cloudops-nb forget-account`` erases an account.

        Args:
            dry_run: Whether to change nothing.
        """
        from cloudops_nb.client.unscanned_cells import forget_unscanned

        return forget_unscanned(self.storage, dry_run=dry_run)

    def dependents(self, resource: str, hops: int = 1) -> pd.DataFrame:
        """Return the resources that depend on a resource, in any account and region.

        Args:
            resource: The id, name or ARN of the resource; all resources of that name count.
            hops: The largest number of relations in between. Types that only stand between two others, such as an
                alias of a key, do not count.

        Returns:
            One row per dependent, with the names on the way in ``path``; nearer ones first. ``.attrs["not_looked_at"]``
            lists where the estate may lack dependents, one line each.

        Raises:
            ConfigurationError: The store has no such resource, or ``hops`` is less than 1.
        """
        from cloudops_nb.client.dependents import dependents_frame

        self.parts.check_estate()
        return dependents_frame(self.storage, self.settings.data_path, resource, hops)

    def permissions(self, resources: str | pd.DataFrame) -> pd.DataFrame:
        """Return what the configured principal may do to resources, as the last scan judged it.

        Who else may do it is not known: a scan judges the principal with which plans act, and no other.

        Args:
            resources: The id, name or ARN of a resource (all resources of that name count), or a DataFrame of
                :meth:`search` or :meth:`resources`.

        Returns:
            One row per resource and action: ``verdict``, the ``layer``, ``policy`` and ``statement`` that decided, and
            for an unknown verdict what is ``missing``. ``.attrs["principals"]`` has the ARNs of the principals.

        Raises:
            ConfigurationError: The store has no such resource, or the DataFrame has none of the columns that name one.
        """
        from cloudops_nb.client.permissions import permissions_frame

        self.parts.check_estate()
        return permissions_frame(self.storage.estate, resources)

    def places(self) -> dict[str, list[str]]:
        """Return the accounts, regions, services and resource types in the store, which magics complete."""
        fields = ("account_name", "region", "service", "resource_type")
        names = ("accounts", "regions", "services", "resource_types")
        facets = self.storage.estate.facets
        return {name: sorted(facets(field)) for name, field in zip(names, fields, strict=True)}

    # --- requests and plans ---------------------------------------------------------------------------------------

    def preview(self, prompt: str, *, conversation: str | None = None) -> bytes:
        """Return the bytes that :meth:`ask` would send now, and send nothing; empty if it would send no request.

        Only the random request id differs from the one that :meth:`ask` sends.

        Args:
            prompt: The question, or the request for a change.
            conversation: The id of the conversation that the prompt continues; if not given, this object's own.

        Raises:
            PromptError: The prompt is empty or too long.
            EgressRefusedError: The check on outgoing requests would refuse the request.
        """
        return self.parts.assistant.preview(prompt, conversation or self._conversation)

    def ask(self, prompt: str, *, conversation: str | None = None) -> Answer:
        """Answer a prompt in plain words with a plan, a question back, information, or a refusal.

        Args:
            prompt: The question, or the request for a change.
            conversation: The id of the conversation that the prompt continues; if not given, this object's own.

        Raises:
            PromptError: The prompt is empty or too long.
            EgressRefusedError: The check on outgoing requests refused the request to the playbook server, or the server
                did not answer or gave an unusable answer.
        """
        answer = self.parts.assistant.ask(prompt, conversation or self._conversation)
        if conversation is None:
            self._conversation = answer.conversation
        return answer

    def prepare(
        self,
        document: str | Path,
        parameters: Mapping[str, Any] | None = None,
        *,
        account: str | None = None,
        region: str | None = None,
        override: bool = False,
    ) -> Plan:
        """Return the plan of an Automation document; nothing leaves this host but calls to AWS.

        Args:
            document: The path of a document, its name in the folder ``playbooks`` of the data path, or a playbook's id.
            parameters: The values of its parameters. A playbook for one kind of resource takes the resource's id, name
                or ARN, which decides on the account and the region.
            account: The name or id of the account; if not given, the only configured one.
            region: The region; if not given, the only one in the settings.
            override: Whether the plan may hold APIs that are not reviewed.

        Raises:
            PlaybookError: There is no such document, or it is not valid, or the linter refuses it.
            PlanError: A parameter is missing, unknown or does not fit, a resource is unknown or ambiguous, or the plan
                cannot be made.
            ConfigurationError: The account or the region is unknown, or there are several.
            StoreCorruptedError: The document changes something, and the estate was altered.
        """
        return self.parts.documents.prepare(document, parameters or {}, account or "", region or "", override=override)

    def playbooks(self) -> pd.DataFrame:
        """Return one row per playbook of this host, the bundled ones first.

        ``.attrs["problems"]`` has a line for each file in the folder ``playbooks`` that is not read.
        """
        from cloudops_nb.client.host_playbooks import PLAYBOOK_COLUMNS

        frame = rows_frame(self.parts.playbooks.rows(), PLAYBOOK_COLUMNS)
        frame.attrs["problems"] = list(self.parts.playbooks.problems)
        return frame

    def playbook(self, document: str | Path) -> PlaybookFile:
        """Return a playbook with the linter's report on it.

        Args:
            document: As for :meth:`prepare`.

        Raises:
            PlaybookError: There is no such document, or it is not valid.
        """
        return self.parts.playbooks.find(document)

    def new_playbook(self, service: str, api: str, *, name: str = "") -> PlaybookFile:
        """Write a document and metadata for an API into the folder ``playbooks`` of the data path, and return it.

        Args:
            service: botocore's name of the service, such as ``rds``.
            api: The API, such as ``StopDBInstance``.
            name: The name of the new folder; made from the service and the API if not given.

        Raises:
            PlaybookError: There is no such API, no plan may call it, or a playbook has the name.
        """
        return self.parts.playbooks.new(service, api, name)

    def plan(self, plan_id: str) -> Plan:
        """Return the plan with this id, which may have been made by another process.

        Raises:
            PlanError: The store has no such plan.
        """
        return self.engine.plan(plan_id)

    def plan_status(self, plan: Plan) -> PlanStatus:
        """Return a plan's current status."""
        return self.engine.status(plan)

    def approve(self, plan: Plan, *, reason: str, phrase: str | None = None) -> Approval:
        """Approve a plan from code (channel ``api``), which is refused for production and for destructive plans.

        Raises:
            ApprovalRefusedError: Code may not approve this plan, the reason is missing, the phrase is wrong, or the
                plan was edited, run or rejected, or has expired.
        """
        _require_plan(plan, "approve")
        return self.engine.approve(plan, channel="api", by=getpass.getuser(), reason=reason, phrase=phrase)

    def decide(
        self,
        plan: Plan | str,
        *,
        approve: bool,
        channel: PersonChannel | str,
        by: str,
        reason: str,
        phrase: str | None = None,
    ) -> Approval | None:
        """Record a person's decision on a plan, made on a card or in a terminal.

        Args:
            plan: The plan as it was shown, or its id. The plan must equal the recorded plan in every field.
            approve: Whether the person approves the plan; if not, the person rejects it.
            channel: Where the person decided: an object that only the card and the terminal commands hold, or ``api``
                for a decision by code.
            by: The person's name.
            reason: The person's reason; an approval needs one.
            phrase: The phrase that the person typed, if the plan asks for one.

        Returns:
            The approval; ``None`` for a rejection.

        Raises:
            ApprovalRefusedError: The plan cannot be approved or rejected this way.
            PlanError: The store has no plan with this id.
        """
        plan = self.engine.plan(plan) if isinstance(plan, str) else plan
        if approve:
            return self.engine.approve(plan, channel=channel, by=by, reason=reason, phrase=phrase)
        self.engine.reject(plan, channel=channel, by=by, reason=reason)
        return None

    def accept_clock(self, *, channel: PersonChannel, by: str, reason: str) -> None:
        """Record that a person takes the present clock for right, after it was set back.

        As long as the clock is behind the journal's latest time, no plan can be approved or run.

        Args:
            channel: An object that only the terminal command holds.
            by: The person's name.
            reason: The person's reason.

        Raises:
            ApprovalRefusedError: The channel is not the terminal, or the reason is missing.
            JournalError: The journal was modified from outside.
        """
        self.engine.accept_clock(channel=channel, by=by, reason=reason)

    def apply(self, plan: Plan, *, executor: str = "sdk", dry_run: bool = False) -> Execution:
        """Start an approved plan and return its execution; iterating over the execution yields its events.

        Args:
            plan: The plan, exactly as it was approved.
            executor: Selects the way to call AWS; must be ``sdk``, the AWS SDK in this process (requirement X10).
            dry_run: Whether to make every check and change nothing, which needs no approval.

        Raises:
            ConfigurationError: ``executor`` is not ``sdk``, or the plan is given by its id.
            ApprovalRequired: The plan has no approval.
            ApprovalRefusedError: The approval was used or has expired, or the plan was edited, rejected or replaced.
            DriftError: A resource changed since the plan was shown.
            PlanError: The acting principal changed, a target is being changed, or too many executions are running.
            JournalError: The journal was modified from outside, so the approval cannot be trusted.
        """
        if executor != "sdk":
            raise ConfigurationError(f"unknown executor {executor}", "", "Use executor='sdk'.")
        _require_plan(plan, "apply")
        return self.engine.apply(plan, dry_run=dry_run)

    def rollback(self, execution: Execution | str) -> Plan:
        """Return the plan that undoes an execution; the plan needs its own approval.

        Raises:
            PlanError: The execution cannot be undone; the message says why.
        """
        bound, rolls_back = self.engine.rollback(execution)
        return self.parts.prepare(bound, rolls_back=rolls_back)

    # --- the record -----------------------------------------------------------------------------------------------

    def history(self, **filters: Any) -> pd.DataFrame:
        """Return one row per plan with its decision and its execution, the newest plan last.

        Args:
            filters: ``status``, ``level``, ``effect``, ``resource``, ``account``, ``text``, ``since``, ``until``.
        """
        from cloudops_nb.execution.history import HISTORY_COLUMNS

        return rows_frame(self.engine.history(**filters), HISTORY_COLUMNS)

    def ledger(self, *, since: datetime | None = None, destination: str = "", purpose: str = "") -> pd.DataFrame:
        """Return one row per request that left this host, with its body, the newest request last.

        Args:
            since: Only requests from this time on, in UTC.
            destination: Only requests to this destination.
            purpose: Only requests for this purpose, such as ``plan``.
        """
        records = self.storage.journal.records(kind="egress", since=since)
        filters = {"destination": destination, "purpose": purpose}
        return ledger_frame(
            record for record in records if all(record.body[name] == value for name, value in filters.items() if value)
        )

    # --- backup ---------------------------------------------------------------------------------------------------

    @property
    def backups(self) -> BackupService:
        """The backup service; regular backups run only after ``backups.start()``."""
        return self.storage.backup

    def backup(self, *kinds: str) -> BackupReport:
        """Take snapshots of the estate, the conversations and the journal, and upload them if a bucket is set.

        Args:
            kinds: ``aws_estate``, ``chat_history``, ``journal``; all if not given.

        Returns:
            A report: ``.rows`` has one row per snapshot, and ``.problems`` lists failed saves and uploads.
        """
        return self.storage.backup.snapshot(*kinds)

    def restore(
        self, source: str | Path = "latest", *kinds: str, merge: bool = False, set_aside: bool = False
    ) -> BackupReport:
        """Verify snapshots, then restore the store's parts from them (requirement S23).

        A part whose snapshot is invalid stays as it was, and the report lists the failure.

        Args:
            source: ``latest`` for the newest snapshot of each kind on this disk or in the bucket; a snapshot's name;
                or a file.
            kinds: For ``latest``, the kinds to restore; all if not given.
            merge: Whether to merge resources and conversations into the store instead of replacing them; the newer of
                two versions is kept.
            set_aside: Whether to replace even a journal that is damaged or has diverged from the snapshot's; the
                journal is first copied to a file.

        Raises:
            BackupError: The snapshot named by ``source`` does not exist.
            StoreUnavailableError: Another program, or a scan or plan that runs in this program, uses the store.
        """
        return self.storage.backup.restore(source, *kinds, merge=merge, set_aside=set_aside)

    def health(self) -> Mapping[str, Any]:
        """Return the store's health, and the version of botocore.

        AWS is called only to list the snapshots in the bucket, if ``s3_bucket`` is set.
        """
        from cloudops_nb.aws.fast_botocore.door import botocore_status
        from cloudops_nb.telemetry import telemetry_warnings

        health: dict[str, Any] = {**self.storage.health()}
        warnings = [*health.pop("warnings"), *self._endpoint_warnings(), *telemetry_warnings()]
        return {**health, "botocore": botocore_status(), "warnings": warnings}

    def _endpoint_warnings(self) -> list[str]:
        try:
            endpoints = sorted(self.sessions.foreign_endpoints())
        except CloudOpsError as error:
            return [f"the AWS configuration cannot be read: {error}"]
        return [f"AWS calls go to {url}, which is not an endpoint of AWS" for url in endpoints]

    # --- the parts that scripts use -------------------------------------------------------------------------------

    @property
    def sessions(self) -> AccountSessions:
        """The AWS sessions with which scans read the configured accounts; plans run with ``sessions.operators``."""
        return self.parts.sessions

    @property
    def engine(self) -> ExecutionEngine:
        """The execution engine: plans, approvals and executions."""
        return self.parts.engine


def _require_plan(plan: object, operation: str) -> None:
    """Refuse an id: the plan that a person or a program has read is what counts, and its content is compared."""
    from cloudops_nb.execution.plan import Plan

    if not isinstance(plan, Plan):
        given = "its id" if isinstance(plan, str) else f"a {type(plan).__name__}"
        why = f"{operation} takes the plan itself, not {given}"
        raise ConfigurationError("there is no plan", why, "Read it first: plan = ops.plan(id).")
