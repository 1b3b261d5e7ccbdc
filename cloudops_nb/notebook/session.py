"""One shell's use of CloudOps: opened when first needed, and what "the last plan" means in this notebook."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import BackupError, PlanError
from cloudops_nb.presentation.escape import LONG_LIMIT, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

    from cloudops_nb.client.answer import Answer
    from cloudops_nb.client.cloudops import CloudOps
    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.notebook.cards.card import Card, CardServices
    from cloudops_nb.notebook.output import Screen
    from cloudops_nb.storage.backup.report import Report

    OpenCloudOps = Callable[..., CloudOps]


class Session:
    """Belongs to one shell; used from its main thread, save for the cards, which see to their own safety."""

    def __init__(self, shell: InteractiveShell, screen: Screen, open_cloudops: OpenCloudOps) -> None:
        self.screen = screen
        self._shell: Any = shell
        self._open_cloudops = open_cloudops
        self._cloudops: CloudOps | None = None
        self._settings: dict[str, Any] = {}
        self._conversation = f"notebook-{uuid.uuid4()}"
        self._cards: dict[str, Card] = {}
        self._last_plan: Plan | None = None
        self._last_execution: Execution | None = None

    @property
    def cloudops(self) -> CloudOps:
        """``CloudOps`` with this notebook's settings, opened at the first use."""
        if self._cloudops is None:
            self._cloudops = self._open_cloudops(**self._settings)
            self._cloudops.backups.start()
            if self._cloudops.settings.regular_scans:
                self._cloudops.schedule.start()
        return self._cloudops

    @property
    def opened(self) -> bool:
        """Whether ``CloudOps`` has been needed yet."""
        return self._cloudops is not None

    @property
    def plan_ids(self) -> list[str]:
        """The plans this notebook has shown, the newest first."""
        return list(reversed(self._cards))

    def cell_started(self, *_: Any) -> None:
        """Take note that the person went on; called by the shell before each cell."""
        self.screen.cells_started += 1
        for card in self._cards.values():
            card.tidy()

    def configure(self, **settings: Any) -> None:
        """Take settings over; they hold from the next use on, and cards still open are withdrawn with the old store.

        Raises:
            ConfigurationError: A value does not fit; the settings stay as they were.
        """
        from cloudops_nb.settings import load_settings

        changed = {**self._settings, **settings}
        load_settings(**changed)
        self._settings = changed
        self._close_cloudops()

    def ask(self, prompt: str) -> Answer:
        """Ask, and put the plan, if one comes back, on the screen as a card; it alone is then the last plan."""
        self._last_plan = None
        answer = self.cloudops.ask(prompt, conversation=self._conversation)
        if answer.plan is not None:
            self.show(answer.plan, bytes_sent=answer.bytes_sent)
        return answer

    def preview(self, prompt: str) -> bytes:
        """Print what asking would send, and return it; nothing is sent."""
        body = self.cloudops.preview(prompt)
        if body:
            self.screen.line(f"{len(body):,} bytes would be sent, exactly these; nothing was:\n{body.decode()}")
        else:
            self.screen.line("Nothing would be sent: this host answers it alone.")
        return body

    def show(self, plan: Plan, *, bytes_sent: int | None = None) -> None:
        """Put a plan's card on the screen and make it the last plan; cards it replaces say so."""
        from cloudops_nb.notebook.cards.card import Card
        from cloudops_nb.presentation.section import CardStatus

        for old_id in {plan.id, plan.replaces} & self._cards.keys():
            detail = "It is shown again further down." if old_id == plan.id else f"Plan {plan.id} takes its place."
            old = self._cards.pop(old_id)
            old.settle(CardStatus("superseded", detail=detail))
            old.tidy()
        card = Card(plan, self.services(), bytes_sent=bytes_sent)
        self._cards[plan.id] = card
        self._last_plan = plan
        card.show()

    def services(self) -> CardServices:
        """Return what a card or a terminal needs to record a decision."""
        from cloudops_nb.notebook.cards.approver import approver
        from cloudops_nb.notebook.cards.card import CardServices

        return CardServices(screen=self.screen, cloudops=self.cloudops, approver=lambda: approver(self._shell))

    def decide(self, plan: Plan) -> None:
        """Show a plan as text, let a person decide by typing, and let its card show the decision.

        Raises:
            ApprovalRequired: Nobody can answer here, or what was typed decides nothing.
        """
        from cloudops_nb.notebook.cards.approver import kernel_user
        from cloudops_nb.notebook.cards.terminal import decide_by_typing
        from cloudops_nb.presentation.as_text import card_text, status_line
        from cloudops_nb.presentation.plan_card import card_sections
        from cloudops_nb.presentation.section import CardStatus

        services = self.services()
        sections = card_sections(plan, kernel_user=kernel_user(), now=services.clock())
        self.screen.line(card_text(sections, CardStatus(self.cloudops.plan_status(plan))))
        outcome = decide_by_typing(plan, services)
        if plan.id in self._cards:
            self._cards[plan.id].settle(outcome)
            self._cards[plan.id].tidy()
        self.screen.line(visible(status_line(outcome), limit=LONG_LIMIT))

    def follow(self, execution: Execution) -> None:
        """Show an execution until it ends.

        Raises:
            ExecutionError: It did not complete.
        """
        from cloudops_nb.notebook.run_display import RunDisplay, follow

        if not execution.dry_run:
            self._last_execution = execution
        follow(execution, RunDisplay(self.screen, execution))

    def back_up(self, *kinds: str) -> Report:
        """Take snapshots and return the report.

        Raises:
            BackupError: Not everything could be saved; the report is on the screen.
        """
        from cloudops_nb.presentation.backup_report import backup_bundle

        report = self.cloudops.backup(*kinds)
        if not report.ok:
            self.screen.publish(backup_bundle(report))
            raise BackupError("the backup is not complete", report.problems[0])
        return report

    def plan(self, named: str) -> Plan:
        """Return the plan that a magic's argument names: a variable, a plan id, or nothing for the last one.

        Raises:
            PlanError: There is no such plan, or none yet.
        """
        if not named:
            if self._last_plan is None:
                raise PlanError("there is no plan yet", "nothing was asked in this notebook", "Ask with %%ask first.")
            return self._last_plan
        held = self._variable(named)
        held = getattr(held, "plan", held)
        plan: Plan = self.cloudops.plan(named) if held is None or not hasattr(held, "intent_hash") else held
        self._last_plan = plan
        return plan

    def execution(self, named: str) -> Execution | str:
        """Return the execution that a magic's argument names: a variable, an id, or nothing for the last one.

        Raises:
            PlanError: Nothing ran yet.
        """
        if named:
            held: Execution | None = self._variable(named)
            return named if held is None else held
        if self._last_execution is None:
            raise PlanError("there is nothing to roll back", "no plan ran in this notebook", "Name an execution.")
        return self._last_execution

    def keep(self, name: str, value: Any) -> None:
        """Put a result into the notebook's namespace."""
        self._shell.push({name: value})

    def preset(self, **settings: Any) -> None:
        """Take over the settings that the shell was started with; their values are checked at the first use."""
        self._settings = settings

    def close(self) -> None:
        """Withdraw the cards still open and close ``CloudOps``."""
        self._close_cloudops()

    def _variable(self, name: str) -> Any:
        return self._shell.user_ns.get(name)

    def _close_cloudops(self) -> None:
        for card in self._cards.values():
            card.withdraw()
            card.tidy()
        self._cards.clear()
        cloudops, self._cloudops = self._cloudops, None
        if cloudops is not None:
            cloudops.close()
