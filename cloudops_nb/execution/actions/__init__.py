"""The Automation actions that can run here, by name; any other is refused before a plan is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.actions import assert_property, branch, execute_api, sleep, wait_property

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.execution.actions.step_run import Outcome, StepRun

ACTIONS: Mapping[str, Callable[[StepRun], Outcome]] = {
    "aws:executeAwsApi": execute_api.run,
    "aws:assertAwsResourceProperty": assert_property.run,
    "aws:waitForAwsResourceProperty": wait_property.run,
    "aws:sleep": sleep.run,
    "aws:branch": branch.run,
}
