"""The engine's front door: prepare, approve, apply, roll back, recover, look up."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import CloudOpsError, PlanError
from cloudops_nb.execution.approvals import Approvals
from cloudops_nb.execution.assembly import Request
from cloudops_nb.execution.authorisation import Authorisation
from cloudops_nb.execution.documents import PlanDocuments, kept_documents
from cloudops_nb.execution.execution import Execution
from cloudops_nb.execution.executor import InProcess
from cloudops_nb.execution.journal_kinds import EXECUTION_STARTED, PLAN
from cloudops_nb.execution.journal_view import JournalView
from cloudops_nb.execution.locks import Locks
from cloudops_nb.execution.preflight import Preflight
from cloudops_nb.execution.prepare import Preparer
from cloudops_nb.execution.recovery import Recovered, Recovery
from cloudops_nb.execution.rollback import rollback_of
from cloudops_nb.execution.runner import Runner
from cloudops_nb.execution.serialisation import bound_from_dict, bound_to_dict, plan_from_dict, plan_to_dict
from cloudops_nb.execution.step_runner import Surroundings
from cloudops_nb.execution.thread_handover import Launch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from cloudops_nb.execution.channels import PersonChannel
    from cloudops_nb.execution.executor import Executor
    from cloudops_nb.execution.plan import Approval, Plan, PlanStatus, Target
    from cloudops_nb.execution.ports import Clients, Clock, JournalPort
    from cloudops_nb.execution.preflight import Ready
    from cloudops_nb.model import Account, BoundPlaybook, JournalRecord
    from cloudops_nb.ssm.catalogue import Catalogue

#: Executions that may run at once in one process.
MOST_EXECUTIONS = 10


def utcnow() -> datetime:
    """Return now, in UTC."""
    return datetime.now(UTC)


class ExecutionEngine:
    """Turns bound playbooks into plans, and approved plans into executions.

    Safe from several threads, and from several processes that share the journal and ``locks_path``: an approval is used
    once, and one change runs at a time per resource. A process that dies at any moment leaves a journal from which
    :meth:`history` shows what happened and :meth:`recover` closes the books.

    Args:
        clients: AWS clients by account.
        journal: Where everything is recorded.
        catalogue: The host's own playbooks.
        approval_minutes: How long a plan may be approved and applied.
        locks_path: A folder for lock files, shared by all processes on the data path.
        clock: The time.
        executor: How calls are made; boto3 in this process if not given.
        poll_seconds: Seconds between two looks of a waiting step.
        after_run: Called with the plan when a run is over and recorded, on the run's own thread, before its last event:
            whoever keeps a picture of the resources looks again. An error of ours in it is an event, not a failure.
    """

    def __init__(
        self,
        clients: Clients,
        journal: JournalPort,
        catalogue: Catalogue,
        *,
        approval_minutes: float = 15.0,
        locks_path: Path,
        clock: Clock = utcnow,
        executor: Executor | None = None,
        poll_seconds: float = 5.0,
        after_run: Callable[[Plan], None] | None = None,
    ) -> None:
        self._after_run = after_run
        self._clients = clients
        self._journal = journal
        self._catalogue = catalogue
        self._clock = clock
        self._executor = executor or InProcess(clients)
        self._poll_seconds = poll_seconds
        self._locks = Locks(locks_path)
        self._approvals = Approvals(journal, clock)
        self._authorisation = Authorisation(clients, self._executor)
        self._preparer = Preparer(clients, self._executor, approval=timedelta(minutes=approval_minutes), clock=clock)
        self._preflight = Preflight(clients, self._executor)
        self._running: dict[str, Execution] = {}
        self._lock = threading.Lock()

    def prepare(
        self,
        bound: BoundPlaybook,
        *,
        account: Account,
        dependents: Mapping[str, Sequence[str]] | None = None,
        rolls_back: str = "",
        replaces: str = "",
        override: bool = False,
        max_concurrency: int = 1,
        max_errors: int = 0,
        check: Callable[[Plan], object] = lambda _: None,
    ) -> Plan:
        """Look everything up, check it, and record the plan; nothing changes.

        Args:
            bound: The playbook with its targets and parameters.
            account: The targets' account.
            dependents: By target ARN (or canonical key), what depends on it.
            rolls_back: The id of the execution that this plan undoes.
            replaces: The id of the plan that this one takes the place of; that one can no longer be approved or run.
            max_concurrency: How many targets are changed at a time.
            max_errors: How many targets may fail before no further one is begun.
            override: Whether a playbook whose lifecycle forbids it, or an API without a review, may be planned.
            check: Called with the plan before it is recorded; its errors are raised, and the plan is not recorded.

        Raises:
            PlaybookError: The host has no such playbook, with that content, that may run.
            PlanError: The plan cannot be made, with the reason in one line.
            AwsError: AWS did not answer.
        """
        request = Request(
            bound=bound,
            account=account,
            dependents=dependents or {},
            rolls_back=rolls_back,
            replaces=replaces,
            override=override,
            max_concurrency=max_concurrency,
            max_errors=max_errors,
        )
        documents = PlanDocuments(self._catalogue, override=override)
        plan = self._preparer.prepare(request, documents)
        check(plan)
        body = {"plan": plan_to_dict(plan), "bound": bound_to_dict(bound), "override": override}
        body |= {"documents": kept_documents(documents)}
        self._journal.append(PLAN, plan.id, body)
        if replaces:
            self._approvals.supersede(replaces, plan)
        return plan

    def approve(
        self, plan: Plan, *, channel: PersonChannel | str, by: str, reason: str, phrase: str | None = None
    ) -> Approval:
        """Record a person's consent to exactly this plan; see :meth:`Approvals.approve`.

        Raises:
            JournalError: The journal was modified from outside, so it does not prove what was planned and decided.
        """
        self._journal.verify()
        return self._approvals.approve(plan, channel=channel, by=by, reason=reason, phrase=phrase)

    def reject(self, plan: Plan, *, channel: PersonChannel | str, by: str, reason: str) -> None:
        """Record that a person said no; see :meth:`Approvals.reject`."""
        self._approvals.reject(plan, channel=channel, by=by, reason=reason)

    def accept_clock(self, *, channel: PersonChannel, by: str, reason: str) -> JournalRecord:
        """Record that a person at a terminal takes the present clock for right, after it was set back.

        Raises:
            ApprovalRefusedError: The channel is not the terminal, or the name or the reason is missing.
            JournalError: The journal was modified from outside.
        """
        return self._approvals.accept_clock(channel=channel, by=by, reason=reason)

    def apply(self, plan: Plan, *, dry_run: bool = False) -> Execution:
        """Check everything again, use the approval up, and start to run.

        A dry run makes the same checks and asks AWS where it can be asked; it changes nothing, needs no approval and
        uses none up, and is not recorded.

        Raises:
            ApprovalRequired: Nobody approved the plan.
            ApprovalRefusedError: The plan was edited, rejected, superseded or expired, or its approval is used.
            DriftError: A target is no longer as the plan was shown.
            PlanError: The account or the principal is another now, a target is being changed, or too much runs already.
            PlaybookError: The host no longer has the playbook with that content.
            JournalError: The journal was modified from outside, so the approval cannot be trusted.
        """
        # Verify the journal first, because it is the only proof that the approval exists and was not used.
        self._journal.verify()
        record = self._approvals.require_recorded(plan)
        # From here on the recorded plan, which is equal: no other code can change its lists and maps during the run.
        plan = plan_from_dict(record.body["plan"])
        if dry_run:
            self._approvals.require_open(plan)
        else:
            self._approvals.usable(plan)
        override = bool(record.body["override"])
        ready = self._preflight.load(plan, self._documents(record))
        self._preflight.require_same_steps(ready, override=override)
        self._preflight.require_same_caller(plan)
        execution = Execution(str(uuid.uuid4()), plan, self._clock, dry_run=dry_run)
        with Launch(execution, self._journal) as launch:
            if not dry_run:
                launch.held.enter_context(self._locks.hold(plan.targets, execution.id))
            self._preflight.require_no_drift(ready)
            self._admit(execution, launch.held)
            if not dry_run:
                self._begin(execution)
            launch.start(lambda: self._work(execution, ready))
        return execution

    @property
    def running(self) -> Sequence[Execution]:
        """The executions under way in this process."""
        with self._lock:
            return tuple(self._running.values())

    def status(self, plan: Plan) -> PlanStatus:
        """Return how the plan stands, its rollback included."""
        return self._picture().status(plan.id, self._clock())

    def plan(self, plan_id: str) -> Plan:
        """Return a recorded plan.

        Raises:
            PlanError: There is none of that id.
        """
        return plan_from_dict(self._record(plan_id).body["plan"])

    def replay(self, plan_id: str) -> BoundPlaybook:
        """Return what a recorded plan was made of, for :meth:`prepare` to make a new one.

        Raises:
            PlanError: There is none of that id.
        """
        return bound_from_dict(self._record(plan_id).body["bound"])

    def rollback(self, execution: Execution | str) -> tuple[BoundPlaybook, str]:
        """Return what undoes an execution where it changed something, or may have, and the id for ``rolls_back``.

        Raises:
            PlanError: The playbook cannot be undone, the execution still runs, or it changed nothing.
            JournalError: The journal was modified from outside, so it does not prove what the execution did.
        """
        self._journal.verify()
        execution_id = execution if isinstance(execution, str) else execution.id
        return rollback_of(self._picture(), execution_id, self._catalogue), execution_id

    def recover(self, *, reread: bool = False) -> list[Recovered]:
        """Close the books of executions whose process died; see :class:`Recovery`."""
        return Recovery(self._journal, self._locks, self._state_now).recover(self._picture(), reread=reread)

    def steps(self, execution_id: str) -> list[dict[str, Any]]:
        """Return one row for each recorded step of an execution: target, step, status, message and time."""
        return self._picture().run(execution_id).steps()

    def history(self, **filters: Any) -> list[dict[str, Any]]:
        """Return one row for each plan, the newest last; see :func:`cloudops_nb.execution.history.rows`."""
        from cloudops_nb.execution.history import rows

        return rows(self._picture(), self._clock(), **filters)

    def _record(self, plan_id: str) -> JournalRecord:
        records = self._journal.records(kind=PLAN, subject=plan_id)
        if not records:
            raise PlanError(f"there is no plan {plan_id}", fix="See the history for the plans there are.")
        return records[-1]

    def _picture(self) -> JournalView:
        return JournalView(self._journal, self._alive)

    def _alive(self, execution_id: str) -> bool:
        return execution_id in self._running or self._locks.alive(execution_id)

    def _state_now(self, plan: Plan, target: Target) -> dict[str, Any]:
        documents = self._documents(self._record(plan.id), override=True)
        return self._preflight.fingerprint(self._preflight.load(plan, documents), target)

    def _documents(self, record: JournalRecord, *, override: bool = False) -> PlanDocuments:
        """Return the documents of a recorded plan."""
        kept = record.body.get("documents", ())
        return PlanDocuments(self._catalogue, kept, override=override or bool(record.body["override"]))

    def _admit(self, execution: Execution, held: ExitStack) -> None:
        with self._lock:
            if len(self._running) >= MOST_EXECUTIONS:
                raise PlanError(f"{MOST_EXECUTIONS} executions are running", fix="Wait for one to end.")
            # First, so that an interrupt between the two leaves no run without an end.
            held.callback(self._running.pop, execution.id, None)
            self._running[execution.id] = execution

    def _begin(self, execution: Execution) -> None:
        """Use the approval up, then say that the run begins; a death between the two shows as a run that failed."""
        plan = execution.plan
        approval = self._approvals.usable(plan)
        self._approvals.consume(plan, approval, execution.id)
        body = {
            "plan_id": plan.id,
            "plan_hash": plan.hash,
            "approval_id": approval.id,
            "rolls_back": plan.rolls_back,
        }
        self._journal.append(EXECUTION_STARTED, execution.id, body, power_safe=True)

    def _look_again(self, execution: Execution) -> None:
        if self._after_run is None or execution.dry_run:
            return
        try:
            self._after_run(execution.plan)
        except CloudOpsError as error:
            execution.publish("output", message=f"the resources were not looked at again: {error}")
        except BaseException as error:  # noqa: BLE001 - the run itself is over and must still be said to be
            execution.publish("output", message=f"looking at the resources again broke: {type(error).__name__}")

    def _work(self, execution: Execution, ready: Ready) -> tuple[PlanStatus, str]:
        """Run to the end, on the run's own thread."""
        around = Surroundings(
            execution=execution,
            ready=ready,
            executor=self._executor,
            clients=self._clients,
            authorisation=self._authorisation,
            journal=self._journal,
            clock=self._clock,
            poll_seconds=self._poll_seconds,
            reread=lambda unit: self._preflight.now(ready, unit),
        )
        ended = Runner(around).run()
        self._look_again(execution)
        return ended
