"""Follow an execution on the screen: its steps and their state while it runs, and a clean end when interrupted."""

from __future__ import annotations

import itertools
import time
import uuid
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import ExecutionError
from cloudops_nb.execution.plan import PlanStatus, StepStatus
from cloudops_nb.notebook.output import Pace, Screen
from cloudops_nb.notebook.progress import LINE_INTERVAL, REDRAW_INTERVAL
from cloudops_nb.presentation.as_html import badge_html, frame, status_tone
from cloudops_nb.presentation.escape import marked_html, visible
from cloudops_nb.presentation.mime_types import HTML, PLAIN
from cloudops_nb.presentation.plan_card import headline, named
from cloudops_nb.presentation.section import Badge, Tone

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.execution.plan import Event

_TONES = {
    StepStatus.COMPLETED: Tone.GOOD,
    StepStatus.RUNNING: Tone.CAUTION,
    StepStatus.FAILED: Tone.DANGER,
    StepStatus.TIMEOUT: Tone.DANGER,
    StepStatus.OUTCOME_UNKNOWN: Tone.DANGER,
}
_SUCCESS = frozenset({PlanStatus.COMPLETED, PlanStatus.ROLLED_BACK})
_LINE = 400
DRY_RUN = "dry run: nothing was changed"


class RunDisplay:
    """Shows an execution's steps, redrawn at most four times a second; a line an event where nothing can be redrawn."""

    def __init__(self, screen: Screen, execution: Execution, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._execution = execution
        self._redraw = Pace(REDRAW_INTERVAL, clock)
        self._polls = Pace(LINE_INTERVAL, clock)
        self._display_id = f"cloudops-run-{uuid.uuid4()}"
        self._published = False
        self.seen = 0

    def take(self, event: Event) -> None:
        """Take note of an event, and show it when it is time."""
        self.seen += 1
        if self._screen.rich:
            if self._redraw.due():
                self._draw()
        elif event.kind != "poll" or self._polls.due():
            self._screen.line(event_line(event))

    def end(self) -> None:
        """Show how it ended."""
        if self._screen.rich:
            self._draw()
        else:
            self._screen.line(run_text(self._execution))

    def _draw(self) -> None:
        self._screen.publish(run_bundle(self._execution), display_id=self._display_id, update=self._published)
        self._published = True


def follow(execution: Execution, display: RunDisplay) -> None:
    """Show an execution's events until it ends.

    An interrupt cancels it: the call under way is followed to its answer, nothing more is started.

    Raises:
        ExecutionError: It did not complete, so that the cell fails and a run of all cells stops here.
    """
    try:
        _show(execution, display)
    except KeyboardInterrupt:
        execution.cancel()
        _show(execution, display)
    finally:
        display.end()
    if execution.status in _SUCCESS:
        return
    if execution.dry_run:
        raise ExecutionError(f"the dry run ended as {execution.status}", "its steps above say what would not work")
    raise ExecutionError(
        f"execution {execution.id} ended as {execution.status}",
        "its steps are shown above",
        "Look at %cloudops_history; %cloudops_rollback plans the way back.",
    )


def run_bundle(execution: Execution) -> dict[str, Any]:
    """Return how an execution stands as text and HTML; outputs by name only, as their values may be sensitive."""
    return {PLAIN: run_text(execution), HTML: run_html(execution)}


def run_text(execution: Execution) -> str:
    """Return how an execution and each of its steps stand."""
    lines = [DRY_RUN] if execution.dry_run else []
    lines.append(f"{_words(execution.status)}: {headline(execution.plan)}  (execution {execution.id})")
    lines += [
        f"  {_words(step.status):<16} {step.name}  {_resource(execution, step.target)}  {step.message}".rstrip()
        for step in execution.steps
    ]
    return "\n".join(visible(line, limit=_LINE) for line in lines)


def run_html(execution: Execution) -> str:
    """Return how an execution and each of its steps stand as escaped HTML."""
    tone = status_tone(execution.status)
    heading = f"<span>{DRY_RUN}</span>" if execution.dry_run else ""
    strip = (
        f'<div class="co-outcome co-{tone}"><span class="co-status">{_words(execution.status)}</span>{heading}'
        f"<span>{marked_html(headline(execution.plan))}</span>"
        f'<span class="co-note">execution {marked_html(execution.id)}</span></div>'
    )
    items = "".join(
        f"<li>{badge_html(Badge(_words(step.status), _TONES.get(step.status, Tone.MUTED)))}"
        f"<span>{marked_html(step.name)}</span><span>{marked_html(_resource(execution, step.target))}</span>"
        f'<span class="co-note">{marked_html(step.message, limit=_LINE)}</span></li>'
        for step in execution.steps
    )
    label = f"Execution: {headline(execution.plan)}"
    return frame(f'{strip}<ol class="co-run">{items}</ol>', label=label, edge=tone)


def event_line(event: Event) -> str:
    """Return an event as one line."""
    words = (f"{event.at:%H:%M:%S}", event.kind.replace("_", " "), event.step, event.target, event.message)
    return visible("  ".join(word for word in words if word), limit=_LINE)


def _show(execution: Execution, display: RunDisplay) -> None:
    # An execution yields its events from the first on each time it is iterated.
    for event in itertools.islice(execution, display.seen, None):
        display.take(event)


def _resource(execution: Execution, target: str) -> str:
    found = (known for known in execution.plan.target_states if target in (known.arn, known.identifier))
    return next((named(known) for known in found), target)


def _words(status: str) -> str:
    return status.replace("_", " ")
