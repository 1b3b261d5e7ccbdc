"""A real IPython shell without history, and a screen that keeps what was shown."""

from __future__ import annotations

import atexit
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from cloudops_nb.notebook import extension
from cloudops_nb.notebook.cards.card import Card
from cloudops_nb.notebook.cards.decision import CardServices
from cloudops_nb.notebook.output import Screen
from tests.notebook.fake_cloudops import FakeCloudOps
from tests.sample_plans import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cloudops_nb.execution.plan import Plan


def shell_of(username: str | None = None, *, allow_stdin: bool = True) -> Any:
    """A shell behind a kernel whose front end gives this name; without a name, a shell in a terminal."""
    if username is None:
        return SimpleNamespace()
    parent = {"header": {"username": username}}
    return SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda: parent, _allow_stdin=allow_stdin))


class ShownScreen(Screen):
    """A front end in memory: ``displays`` is what it would show by now, by display id; ``bundles`` everything sent."""

    rich = True
    attended = True
    terminal = False

    def __init__(self) -> None:
        """Have no shell."""
        self.displays: dict[str, dict[str, Any]] = {}
        self.bundles: list[tuple[dict[str, Any], str, bool]] = []
        self.lines: list[str] = []
        self.answers: list[str] = []

    def publish(self, bundle: Mapping[str, Any], *, display_id: str = "", update: bool = False) -> None:
        self.bundles.append((dict(bundle), display_id, update))
        self.displays[display_id] = dict(bundle)

    def line(self, text: str) -> None:
        self.lines.append(text)

    def question(self, prompt: str) -> str | None:
        self.lines.append(prompt)
        return self.answers.pop(0) if self.answers else None


class Notebook:
    """A shell with the extension loaded over a fake ``CloudOps``; ``run`` raises what a cell raises."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.cloudops = FakeCloudOps()
        self.screen = ShownScreen()
        extension.load(shell, self._open)
        self.session = extension._LOADED[shell].session
        self.session.screen = self.screen
        self.opened: list[dict[str, Any]] = []

    def run(self, cell: str) -> Any:
        outcome = self.shell.run_cell(cell, store_history=False)
        outcome.raise_error()
        return outcome.result

    def formatted(self, value: Any) -> dict[str, Any]:
        """Return the MIME bundle that the shell makes of a value."""
        assert self.shell.display_formatter
        bundle: dict[str, Any]
        bundle, _ = self.shell.display_formatter.format(value)
        return bundle

    def _open(self, **settings: Any) -> FakeCloudOps:
        self.opened.append(settings)
        return self.cloudops


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    shell = InteractiveShell(config=config)
    # At exit, every shell that there ever was would search the whole process for garbage.
    atexit.unregister(shell.atexit_operations)
    yield shell
    shell.restore_sys_module_state()


@pytest.fixture
def notebook(shell: InteractiveShell) -> Iterator[Notebook]:
    yield Notebook(shell)
    extension.unload(shell)


@pytest.fixture
def screen() -> ShownScreen:
    return ShownScreen()


@pytest.fixture
def cloudops() -> FakeCloudOps:
    return FakeCloudOps()


@pytest.fixture
def show_card(screen: ShownScreen, cloudops: FakeCloudOps) -> Callable[..., Card]:
    """Show a plan's card on the screen, at the time the plan was made."""

    def show(plan: Plan, **options: Any) -> Card:
        cloudops.plans[plan.id] = plan
        services = CardServices(screen=screen, cloudops=cloudops, approver=lambda: "alice", clock=lambda: NOW)
        card = Card(plan, services, **options)
        card.show()
        return card

    return show
