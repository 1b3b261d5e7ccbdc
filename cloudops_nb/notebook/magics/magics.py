"""The magics: each parses its line, and leaves the work to a method of ``CloudOps``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from cloudops_nb.notebook.magics.arguments import argument, cloudops_magic, output
from cloudops_nb.presentation.escape import LONG_LIMIT, visible

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from cloudops_nb.notebook.session import Session

_plan = argument(
    "plan",
    nargs="?",
    default="",
    help="A plan's id, or a variable with a plan or answer; if not given, the last plan.",
)
_accounts = argument("--account", action="append", metavar="NAME", help="Only this account; may be repeated.")
_regions = argument("--region", action="append", metavar="REGION", help="Only this region; may be repeated.")
_services = argument("--service", action="append", metavar="SERVICE", help="Only this service; may be repeated.")


@magics_class
class CloudOpsMagics(Magics):
    """The magics of the extension; the logic is in ``CloudOps``."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self.session = session

    @line_magic
    @cloudops_magic
    @output
    def cloudops_status(self, _: Namespace, __: str) -> Any:
        """Show the health of the store on this host; AWS is called only to look for backups, if a bucket is set."""
        from cloudops_nb.presentation.status_tables import StatusTables

        return StatusTables(self.session.cloudops.health())

    @line_magic
    @cloudops_magic
    @_accounts
    @_regions
    @_services
    @argument(
        "--type",
        action="append",
        metavar="TYPE",
        dest="types",
        help="Only this resource type, for example rds_instance or AWS::Athena::NamedQuery; may be repeated.",
    )
    @argument("--mode", default="full", help="full (the default), or incremental for changes since the last scan.")
    @argument("--every-detail", action="store_true", help="Also read details that take one API call per resource.")
    @argument("--executor", metavar="NAME", help="Read on a Dask cluster instead of in this process: dask:ADDRESS.")
    @argument("--dry-run", action="store_true", help="Show the calls that the scan would make, without making them.")
    @output
    def cloudops_scan(self, args: Namespace, _: str) -> Any:
        """Read the resources of the configured accounts from AWS, and keep them in the store."""
        from cloudops_nb.notebook.progress_display import shown_progress

        services = [*(args.service or ()), *(args.types or ())] or None
        where = {"accounts": args.account, "regions": args.region, "services": services}
        depth = {"every_detail": args.every_detail}
        if args.dry_run:
            calls = self.session.cloudops.planned_calls(**where, **depth)
            self.session.screen.line(calls.attrs.get("summary", ""))
            return calls
        how = {"mode": args.mode, "executor": args.executor}
        with shown_progress(self.session.screen, "Scan") as progress:
            return self.session.cloudops.scan(**where, **depth, **how, progress=progress)

    @line_magic
    @cloudops_magic
    @argument("--cloud-control", action="store_true", help="Also ask AWS for the types that Cloud Control lists.")
    @argument(
        "--account", metavar="NAME", default="", help="The account whose types to list; the first account if not given."
    )
    @output
    def cloudops_types(self, args: Namespace, _: str) -> Any:
        """Show the resource types that a scan can read."""
        return self.session.cloudops.resource_types(cloud_control=args.cloud_control, account=args.account)

    @line_magic
    @cloudops_magic
    @argument("--start", action="store_true", help="Run the regular scans in this notebook from now on.")
    @argument("--stop", action="store_true", help="Start no further regular scan in this notebook.")
    @output
    def cloudops_schedule(self, args: Namespace, _: str) -> Any:
        """Show when the regular scans are due and how the last scans ended; with a flag, first start or stop them."""
        from cloudops_nb.presentation.status_tables import StatusTables

        schedule = self.session.cloudops.schedule
        if args.stop:
            schedule.stop()
        elif args.start:
            schedule.start()
        return StatusTables(schedule.status(), title="Regular scans")

    @line_magic
    @cloudops_magic
    @argument("query", nargs="+", help="A name, an id, a tag, or a description in words.")
    @argument("--account", metavar="NAME", help="Only this account.")
    @argument("--region", metavar="REGION", help="Only this region.")
    @argument("--service", metavar="SERVICE", help="Only this service.")
    @argument("--type", metavar="TYPE", dest="resource_type", help="Only this resource type, for example rds_instance.")
    @argument("--state", metavar="STATE", help="Only this state, for example running.")
    @argument("--limit", type=int, default=10, metavar="N", help="The largest number of rows (10).")
    @output
    def cloudops_search(self, args: Namespace, _: str) -> Any:
        """Find resources in the store, without an AWS call; the best match is first."""
        filters = {name: getattr(args, name) for name in ("account", "region", "service", "resource_type", "state")}
        found = self.session.cloudops.search(" ".join(args.query), limit=args.limit, **_given(filters))
        if understood := found.attrs.get("understood"):
            self.session.screen.line(visible(f"Read as: {understood}", limit=LONG_LIMIT))
        return found

    @line_magic
    @cloudops_magic
    @argument("resource", help="The id, name or ARN of a resource.")
    @argument("--hops", type=int, default=1, metavar="N", help="The largest number of relations in between (1).")
    @output
    def cloudops_depends(self, args: Namespace, _: str) -> Any:
        """Show what depends on a resource, in any account and region, and where that was not looked at."""
        return self.session.dependents(args.resource, args.hops)

    @line_magic
    @cloudops_magic
    @argument("resource", help="The id, name or ARN of a resource, or a variable that holds a DataFrame of resources.")
    @output
    def cloudops_may(self, args: Namespace, _: str) -> Any:
        """Show what you may do to a resource, action by action, and what decided it."""
        return self.session.permissions(args.resource)

    @cell_magic
    @cloudops_magic
    @argument("--dry-run", action="store_true", help="Print the exact bytes that would be sent, and send nothing.")
    @output
    def cloudops_ask(self, args: Namespace, body: str) -> Any:
        """Ask for a change or a fact in words; a change becomes a plan on a card, which runs only after approval."""
        if args.dry_run:
            request = self.session.preview(body.strip())
            return request if args.output else None
        answer = self.session.ask(body.strip())
        return answer if args.output or answer.plan is None else None

    @line_magic
    @cloudops_magic
    @argument("document", help="A file, a name in the folder playbooks of the data path, or a playbook's id.")
    @argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="A parameter's value; may be repeated, also for each item of a list. Commas and JSON make a list too.",
    )
    @argument("--account", metavar="NAME", help="The account; by default the only configured one.")
    @argument("--region", metavar="REGION", help="The region; by default the only one in the settings.")
    @argument("--override", action="store_true", help="Let the plan hold APIs that are not reviewed.")
    @output
    def cloudops_prepare(self, args: Namespace, _: str) -> Any:
        """Plan an Automation document, and show the plan on a card; it runs only after approval."""
        where = {"account": args.account, "region": args.region, "override": args.override}
        plan = self.session.prepare(args.document, args.param, **where)
        return plan if args.output else None

    @line_magic
    @cloudops_magic
    @argument("action", nargs="?", default="list", help="list (the default), show, lint or new.")
    @argument(
        "words", nargs="*", metavar="WORD", help="For show and lint a name or a file; for new a service and an API."
    )
    @argument("--name", default="", metavar="NAME", help="For new: the name of the new folder.")
    @output
    def cloudops_playbook(self, args: Namespace, _: str) -> Any:
        """List, show, check or write playbooks: the bundled ones, and those in the data path's folder playbooks."""
        return self.session.playbook(args.action, args.words, name=args.name)

    @line_magic
    @cloudops_magic
    @_plan
    def cloudops_approve(self, args: Namespace, _: str) -> None:
        """Show a plan, and approve or reject it by typing."""
        self.session.decide(self.session.named_plan(args.plan))

    @line_magic
    @cloudops_magic
    @_plan
    @argument("--executor", default="sdk", help="How the AWS calls are made: only sdk, the default.")
    @argument("--dry-run", action="store_true", help="Ask AWS whether the plan would work, and change nothing.")
    @output
    def cloudops_apply(self, args: Namespace, _: str) -> Any:
        """Run an approved plan, and show its steps until the run ends; an interrupt cancels the run."""
        plan = self.session.named_plan(args.plan)
        execution = self.session.cloudops.apply(plan, executor=args.executor, dry_run=args.dry_run)
        self.session.follow(execution)
        return execution if args.output else None

    @line_magic
    @cloudops_magic
    @argument(
        "execution",
        nargs="?",
        default="",
        help="An execution's id, or a variable that holds an execution; if not given, the last execution.",
    )
    def cloudops_rollback(self, args: Namespace, _: str) -> None:
        """Plan how to undo an execution; the plan needs its own approval."""
        self.session.show_plan(self.session.cloudops.rollback(self.session.named_execution(args.execution)))

    @line_magic
    @cloudops_magic
    @argument("--status", metavar="STATUS", help="Only plans with this status, for example completed.")
    @argument("--level", metavar="LEVEL", help="Only plans of this risk level, for example high.")
    @argument("--effect", metavar="EFFECT", help="Only plans of this effect: read, modify or destructive.")
    @argument("--resource", metavar="TEXT", help="Only plans for a resource whose id, name or ARN contains this.")
    @argument("--account", metavar="NAME", help="Only plans in this account.")
    @argument("--text", metavar="TEXT", help="Only plans whose title, reason or detail contains this.")
    @output
    def cloudops_history(self, args: Namespace, _: str) -> Any:
        """Show each plan with its decision and execution; the newest plan is last."""
        filters = {name: getattr(args, name) for name in ("status", "level", "effect", "resource", "account", "text")}
        return self.session.cloudops.history(**_given(filters))

    @line_magic
    @cloudops_magic
    @output
    def cloudops_ledger(self, _: Namespace, __: str) -> Any:
        """Show every request that left this host, with its exact body."""
        return self.session.cloudops.ledger()

    @line_magic
    @cloudops_magic
    @argument("kinds", nargs="*", metavar="KIND", help="aws_estate, chat_history or journal; all if not given.")
    @argument("--list", action="store_true", dest="listed", help="List the snapshots, and take none.")
    @argument("--status", action="store_true", help="Show when the regular backups are due, and take no snapshot.")
    @argument("--stop", action="store_true", help="Stop the regular backups in this notebook.")
    @output
    def cloudops_backup(self, args: Namespace, _: str) -> Any:
        """Save encrypted snapshots of the store, also in S3 if a bucket is set; fail if a snapshot is not saved."""
        from cloudops_nb.presentation.status_tables import StatusTables

        backups = self.session.cloudops.backups
        if args.listed:
            return backups.snapshots()
        if args.stop:
            backups.stop()
        if args.stop or args.status:
            return StatusTables(backups.status(), title="Regular backups")
        return self.session.back_up(*args.kinds)


def _given(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if value is not None}
