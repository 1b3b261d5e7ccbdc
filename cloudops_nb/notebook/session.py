"""The extension's state in one IPython shell: ``CloudOps``, opened at its first use, the cards, and the last plan."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import BackupError, ConfigurationError, PlanError
from cloudops_nb.presentation.escape import LONG_LIMIT, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from cloudops_nb.client.answer import Answer
    from cloudops_nb.client.cloudops import CloudOps
    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.plan import Plan
    from cloudops_nb.notebook.cards.card import Card
    from cloudops_nb.notebook.cards.decision import CardServices
    from cloudops_nb.notebook.output import Screen
    from cloudops_nb.presentation.dependents_tree import DependentsTree
    from cloudops_nb.presentation.permissions_table import PermissionsTable
    from cloudops_nb.storage.backup.backup_report import BackupReport

    OpenCloudOps = Callable[..., CloudOps]


class Session:
    """The extension's state in one IPython shell.

    Only the shell's main thread uses a session, but other threads may use its cards.

    Args:
        shell: The IPython shell.
        screen: The shell's output and input.
        open_cloudops: Opens ``CloudOps``; takes the settings as keyword arguments.
    """

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
        """``CloudOps`` with this notebook's settings.

        The first use opens it, and starts the regular backups and, if ``regular_scans`` is set, the regular scans.
        """
        if self._cloudops is None:
            opened = self._open_cloudops(**self._settings)
            try:
                opened.backups.start()
                if opened.settings.regular_scans:
                    opened.schedule.start()
            except BaseException:
                opened.close()
                raise
            self._cloudops = opened
        return self._cloudops

    @property
    def opened(self) -> bool:
        """Whether ``CloudOps`` is open."""
        return self._cloudops is not None

    @property
    def plan_ids(self) -> list[str]:
        """The ids of the plans on this notebook's cards, newest first."""
        return list(reversed(self._cards))

    def cell_started(self, *_: Any) -> None:
        """Close the widgets of decided cards, because a notebook cell starts now."""
        for card in self._cards.values():
            card.close_widgets()

    def configure(self, **settings: Any) -> None:
        """Change settings, withdraw the undecided cards, and close the store; the next use opens the store again.

        Raises:
            ConfigurationError: A value is invalid; nothing is changed or closed then.
        """
        from cloudops_nb.settings import load_settings

        # Validated before the store is closed, so that a wrong value changes nothing.
        changed = {**self._settings, **settings}
        load_settings(**changed)
        self._settings = changed
        self._close_cloudops()

    def ask(self, prompt: str) -> Answer:
        """Return the answer to a prompt; show the answer's plan, if any, as a card and make it the last plan."""
        # Reset before asking, so that %cloudops_apply never runs the plan of an earlier request.
        self._last_plan = None
        answer = self.cloudops.ask(prompt, conversation=self._conversation)
        if answer.plan is not None:
            self.show_plan(answer.plan, bytes_sent=answer.bytes_sent)
        return answer

    def dependents(self, resource: str, hops: int) -> DependentsTree:
        """Return what depends on a resource as a tree; a front end that shows Mermaid gets a drawing before it."""
        from cloudops_nb.presentation.dependents_tree import DependentsTree

        tree = DependentsTree(self.cloudops.dependents(resource, hops))
        if self.screen.rich and (drawing := tree.drawing()):
            self.screen.publish(drawing)
        return tree

    def permissions(self, resource: str) -> PermissionsTable:
        """Return what the principal may do to a resource, or to those of the DataFrame in a variable of this name."""
        import pandas as pd

        from cloudops_nb.presentation.permissions_table import PermissionsTable

        value = self._variable(resource) if resource.isidentifier() else None
        frame = value if isinstance(value, pd.DataFrame) else resource
        return PermissionsTable(self.cloudops.permissions(frame))

    def prepare(self, document: str, words: Sequence[str], **where: Any) -> Plan:
        """Plan a document, show the plan as a card, and make it the last plan.

        Args:
            document: The path, the name or the id of the document.
            words: ``NAME=VALUE`` for each given parameter.
            where: ``account``, ``region`` and ``override`` of :meth:`.CloudOps.prepare`.

        Raises:
            PlanError: A parameter is missing and nobody can be asked in a terminal, or the plan cannot be made.
        """
        from cloudops_nb.ssm.given_values import example_words, from_words, missing, require_all, with_answers

        # Reset first, so that %cloudops_apply never runs the plan of an earlier request.
        self._last_plan = None
        file = self.cloudops.playbook(document)
        file.require_runnable()
        values = from_words(file.playbook, words)
        if self.screen.terminal:
            values = with_answers(
                file.playbook, values, lambda question: self.screen.question(f"{visible(question)}: ")
            )
        missed = missing(file.playbook, values)
        require_all(file.name, missed, f"%cloudops_prepare {document} {example_words(missed)}")
        plan = self.cloudops.prepare(document, values, **where)
        self.show_plan(plan)
        return plan

    def playbook(self, action: str, words: Sequence[str], *, name: str = "") -> Any:
        """Return what ``%cloudops_playbook`` shows: a DataFrame of all playbooks, or a view of one.

        Args:
            action: ``list``, ``show``, ``lint`` or ``new``.
            words: The playbook to show or check; the service and the API of a new one.
            name: The name of a new one.

        Raises:
            ConfigurationError: The action is unknown, or takes other words.
        """
        from cloudops_nb.presentation.playbook_view import PlaybookView, written_line

        wanted = {"list": 0, "show": 1, "lint": 1, "new": 2}
        if wanted.get(action) != len(words):
            fix = "Write list, show NAME, lint NAME, or new SERVICE API."
            raise ConfigurationError(f"%cloudops_playbook cannot {' '.join((action, *words))}", "", fix)
        if action == "list":
            frame = self.cloudops.playbooks()
            for problem in frame.attrs["problems"]:
                self.screen.line(visible(f"Not read: {problem}", limit=LONG_LIMIT))
            return frame
        if action == "new":
            file = self.cloudops.new_playbook(words[0], words[1], name=name)
            self.screen.line(visible(written_line(file), limit=LONG_LIMIT))
        else:
            file = self.cloudops.playbook(words[0])
        return PlaybookView(file, only_lint=action != "show")

    def preview(self, prompt: str) -> bytes:
        """Print and return the request that :meth:`ask` would send; send nothing."""
        body = self.cloudops.preview(prompt, conversation=self._conversation)
        if body:
            self.screen.line(f"{len(body):,} bytes would be sent, exactly these; nothing was sent:\n{body.decode()}")
        else:
            self.screen.line("Nothing would be sent: the request is answered on this host.")
        return body

    def show_plan(self, plan: Plan, *, bytes_sent: int | None = None) -> None:
        """Show a plan as a card, and make it the last plan.

        An earlier card of the same plan, or of the plan that this plan replaces, is marked as superseded.
        """
        from cloudops_nb.notebook.cards.card import Card
        from cloudops_nb.presentation.section import CardStatus

        for old_id in {plan.id, plan.replaces} & self._cards.keys():
            detail = "The plan is shown again below." if old_id == plan.id else f"Plan {plan.id} replaces this plan."
            old = self._cards.pop(old_id)
            old.settle(CardStatus("superseded", detail=detail))
            old.close_widgets()
        card = Card(plan, self.services(), bytes_sent=bytes_sent)
        self._cards[plan.id] = card
        self._last_plan = plan
        card.show()

    def services(self) -> CardServices:
        """Return what this notebook provides for a decision by a click or by typing."""
        from cloudops_nb.notebook.cards.decision import CardServices, approver

        return CardServices(screen=self.screen, cloudops=self.cloudops, approver=lambda: approver(self._shell))

    def decide(self, plan: Plan) -> None:
        """Show a plan as text, let a person decide by typing, and show the decision as text and on the plan's card.

        Raises:
            ApprovalRequired: The shell takes no input, or the typed text is neither an approval nor a rejection.
            ApprovalRefusedError: The decision is not accepted, for example because the plan has expired or an approval
                has no reason.
        """
        from cloudops_nb.notebook.cards.decision import decide_by_typing, kernel_user
        from cloudops_nb.presentation.as_text import card_text, status_line
        from cloudops_nb.presentation.plan_card import card_sections
        from cloudops_nb.presentation.section import CardStatus

        services = self.services()
        sections = card_sections(plan, kernel_user=kernel_user(), now=services.clock())
        self.screen.line(card_text(sections, CardStatus(self.cloudops.plan_status(plan))))
        status = decide_by_typing(plan, services)
        if plan.id in self._cards:
            self._cards[plan.id].settle(status)
            self._cards[plan.id].close_widgets()
        self.screen.line(visible(status_line(status), limit=LONG_LIMIT))

    def follow(self, execution: Execution) -> None:
        """Show an execution until it ends; unless it is a dry run, make it the last execution.

        Raises:
            ExecutionError: The execution did not complete.
        """
        from cloudops_nb.notebook.run_display import RunDisplay, follow

        if not execution.dry_run:
            self._last_execution = execution
        follow(execution, RunDisplay(self.screen, execution))

    def back_up(self, *kinds: str) -> BackupReport:
        """Take snapshots and return the report.

        Raises:
            BackupError: A snapshot was not saved or uploaded. The report is shown before this error is raised.
        """
        from cloudops_nb.presentation.backup_report import backup_bundle

        report = self.cloudops.backup(*kinds)
        if not report.ok:
            self.screen.publish(backup_bundle(report))
            raise BackupError("the backup is incomplete", report.problems[0])
        return report

    def named_plan(self, name: str) -> Plan:
        """Return the plan that the argument of a magic names, and make it the last plan.

        Args:
            name: The name of a variable that holds a plan or an answer, or the id of a plan; empty for the last plan.

        Raises:
            PlanError: The store has no plan with this id; or the name is empty and there is no last plan.
        """
        if not name:
            if self._last_plan is None:
                raise PlanError(
                    "there is no plan yet",
                    "nothing was asked yet, or the last answer has no plan",
                    "Ask with %%ask first.",
                )
            return self._last_plan
        value = self._variable(name)
        value = getattr(value, "plan", value)  # an answer holds its plan
        # Only a plan has an intent_hash. If there is no plan in a variable of this name, the name is a plan's id.
        plan: Plan = value if hasattr(value, "intent_hash") else self.cloudops.plan(name)
        self._last_plan = plan
        return plan

    def named_execution(self, name: str) -> Execution | str:
        """Return the execution that the argument of a magic names, or its id if the argument is an id.

        Args:
            name: The name of a variable that holds an execution, or an execution's id; empty for the last execution.

        Raises:
            PlanError: The name is empty, and there is no last execution.
        """
        if name:
            value: Execution | None = self._variable(name)
            return name if value is None else value
        if self._last_execution is None:
            raise PlanError(
                "there is nothing to roll back", "no plan ran in this notebook", "Give the id of an execution."
            )
        return self._last_execution

    def set_variable(self, name: str, value: Any) -> None:
        """Assign a value to a variable of the notebook."""
        self._shell.push({name: value})

    def preset(self, **settings: Any) -> None:
        """Take over the settings in the shell's configuration; they are validated when ``CloudOps`` is opened."""
        self._settings = settings

    def close(self) -> None:
        """Withdraw the undecided cards and close ``CloudOps``."""
        self._close_cloudops()

    def _variable(self, name: str) -> Any:
        return self._shell.user_ns.get(name)

    def _close_cloudops(self) -> None:
        for card in self._cards.values():
            card.withdraw()
            card.close_widgets()
        self._cards.clear()
        cloudops, self._cloudops = self._cloudops, None
        if cloudops is not None:
            cloudops.close()
