"""Shows an execution while it runs: each step with its status, until the execution ends."""

from __future__ import annotations

import itertools
import time
import uuid
from typing import TYPE_CHECKING, Any

from cloudops_nb.errors import ExecutionError
from cloudops_nb.execution.plan import PlanStatus, StepStatus
from cloudops_nb.notebook.output import Screen, Throttle
from cloudops_nb.notebook.progress_display import LINE_INTERVAL, REDRAW_INTERVAL
from cloudops_nb.presentation.as_html import badge_html, html_box, status_tone
from cloudops_nb.presentation.escape import marked_html, visible
from cloudops_nb.presentation.mime_types import HTML, PLAIN
from cloudops_nb.presentation.plan_card import headline, target_label
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
_LINE_LIMIT = 400
DRY_RUN = "dry run: nothing was changed"


class RunDisplay:
    """Shows an execution: in a notebook as one display of its steps, elsewhere as one line per event.

    The display is redrawn at most four times a second. Events of kind ``poll``, which report that a step still waits,
    become at most one line every ten seconds.

    Attributes:
        seen: The number of events that :meth:`show` has received so far.
    """

    def __init__(self, screen: Screen, execution: Execution, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._execution = execution
        self._redraw = Throttle(REDRAW_INTERVAL, clock)
        self._polls = Throttle(LINE_INTERVAL, clock)
        self._display_id = f"cloudops-run-{uuid.uuid4()}"
        self._published = False
        self.seen = 0

    def show(self, event: Event) -> None:
        """Count an event, and show it unless the last redrawing, or the last line for a poll, is too recent."""
        self.seen += 1
        if self._screen.rich:
            if self._redraw.due():
                self._draw()
        elif event.kind != "poll" or self._polls.due():
            self._screen.line(event_line(event))

    def end(self) -> None:
        """Show the final status."""
        if self._screen.rich:
            self._draw()
        else:
            self._screen.line(run_text(self._execution))

    def _draw(self) -> None:
        self._screen.publish(run_bundle(self._execution), display_id=self._display_id, update=self._published)
        self._published = True


def follow(execution: Execution, display: RunDisplay) -> None:
    """Show an execution's events until it ends.

    A keyboard interrupt cancels the execution: the current AWS call still ends, and no further call starts.

    Raises:
        ExecutionError: The execution failed, timed out or was cancelled. The error fails the notebook cell, so that
            Run All stops there.
    """
    try:
        _show_new_events(execution, display)
    except KeyboardInterrupt:
        # The execution goes on until its current call ends, and may have further events.
        execution.cancel()
        _show_new_events(execution, display)
    finally:
        display.end()
    if execution.status in _SUCCESS:
        return
    if execution.dry_run:
        raise ExecutionError(f"the dry run ended as {execution.status}", "the steps above show what would fail")
    raise ExecutionError(
        f"execution {execution.id} ended as {execution.status}",
        "the steps above show why",
        "See %cloudops_history; %cloudops_rollback plans how to undo it.",
    )


def run_bundle(execution: Execution) -> dict[str, Any]:
    """Return an execution's status as text and HTML. Step outputs are left out, because they may be sensitive."""
    return {PLAIN: run_text(execution), HTML: run_html(execution)}


def run_text(execution: Execution) -> str:
    """Return the status of an execution and of each step as text."""
    lines = [DRY_RUN] if execution.dry_run else []
    lines.append(f"{_status_text(execution.status)}: {headline(execution.plan)}  (execution {execution.id})")
    for step in execution.steps:
        target = _target_text(execution, step.target)
        lines.append(f"  {_status_text(step.status):<16} {step.name}  {target}  {step.message}".rstrip())
    return "\n".join(visible(line, limit=_LINE_LIMIT) for line in lines)


def run_html(execution: Execution) -> str:
    """Return the status of an execution and of each step as escaped HTML."""
    tone = status_tone(execution.status)
    heading = f"<span>{DRY_RUN}</span>" if execution.dry_run else ""
    strip = (
        f'<div class="co-outcome co-{tone}"><span class="co-status">{_status_text(execution.status)}</span>{heading}'
        f"<span>{marked_html(headline(execution.plan))}</span>"
        f'<span class="co-note">execution {marked_html(execution.id)}</span></div>'
    )
    items = "".join(
        f"<li>{badge_html(Badge(_status_text(step.status), _TONES.get(step.status, Tone.MUTED)))}"
        f"<span>{marked_html(step.name)}</span><span>{marked_html(_target_text(execution, step.target))}</span>"
        f'<span class="co-note">{marked_html(step.message, limit=_LINE_LIMIT)}</span></li>'
        for step in execution.steps
    )
    label = f"Execution: {headline(execution.plan)}"
    return html_box(f'{strip}<ol class="co-run">{items}</ol>', label=label, edge=tone)


def event_line(event: Event) -> str:
    """Return an event as one line."""
    words = (f"{event.at:%H:%M:%S}", event.kind.replace("_", " "), event.step, event.target, event.message)
    return visible("  ".join(word for word in words if word), limit=_LINE_LIMIT)


def _show_new_events(execution: Execution, display: RunDisplay) -> None:
    # Every iteration over an execution starts with its first event, so the events that were already shown are skipped.
    for event in itertools.islice(execution, display.seen, None):
        display.show(event)


def _target_text(execution: Execution, target: str) -> str:
    found = (known for known in execution.plan.target_states if target in (known.arn, known.identifier))
    return next((target_label(known) for known in found), target)


def _status_text(status: str) -> str:
    return status.replace("_", " ")
