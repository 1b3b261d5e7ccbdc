"""The Automation actions that make a call or decide something, by name.

Loops, nested documents and composite actions hold such steps; :mod:`cloudops_nb.execution.step_order` runs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.execution.actions import (
    assert_property,
    branch,
    execute_api,
    sleep,
    update_variable,
    wait_property,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.execution.actions.step_run import Outcome, StepRun

ACTIONS: Mapping[str, Callable[[StepRun], Outcome]] = {
    "aws:executeAwsApi": execute_api.run,
    "aws:assertAwsResourceProperty": assert_property.run,
    "aws:waitForAwsResourceProperty": wait_property.run,
    "aws:sleep": sleep.run,
    "aws:branch": branch.run,
    "aws:updateVariable": update_variable.run,
}
