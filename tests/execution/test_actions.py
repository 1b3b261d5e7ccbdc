"""The Automation actions, given an answer or none."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from cloudops_nb.execution.actions import ACTIONS
from cloudops_nb.execution.actions.sleep import duration_seconds
from cloudops_nb.execution.actions.step_run import StepRun
from cloudops_nb.execution.executor import CallResult
from cloudops_nb.execution.plan import StepStatus
from cloudops_nb.ssm.document import DocumentStep

pytestmark = pytest.mark.fast

LOOK = {"PropertySelector": "$.States[*].Name", "DesiredValues": ["{{ Wanted }}", "gone"]}
ASSERT, WAIT = "aws:assertAwsResourceProperty", "aws:waitForAwsResourceProperty"


def states(*names: object) -> CallResult:
    return CallResult(data={"States": [{"Name": name} for name in names]})


def run(action: str, inputs: dict[str, Any], *answers: CallResult, seconds: float = 60.0, polls: Any = None) -> Any:
    waiting = iter(answers)
    return ACTIONS[action](
        StepRun(
            step=DocumentStep("step", action, inputs),
            context={"Wanted": "stopped"},
            call=lambda: next(waiting),
            poll=(polls if polls is not None else []).append,
            cancelled=threading.Event(),
            deadline=time.monotonic() + seconds,
            poll_seconds=0.0,
        )
    )


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (states("stopped"), StepStatus.COMPLETED, "stopped"),
        (states("stopped", "gone"), StepStatus.COMPLETED, "stopped, gone"),
        (states("stopped", "running"), StepStatus.FAILED, "it is stopped, running, not stopped or gone"),
        (states(), StepStatus.FAILED, "it is nothing, not stopped or gone"),
        (states(None), StepStatus.FAILED, "it is none, not stopped or gone"),
        (states(*[True]), StepStatus.FAILED, "it is true, not stopped or gone"),
        (CallResult(problem="AccessDenied: no", code="AccessDenied"), StepStatus.FAILED, "AccessDenied: no"),
    ],
)
def test_a_property_is_asserted_of_every_place_it_names(answer: CallResult, status: StepStatus, message: str) -> None:
    outcome = run(ASSERT, LOOK, answer)
    assert (outcome.status, outcome.message) == (status, message)


def test_waiting_outlasts_throttling_and_says_what_it_saw() -> None:
    polls: list[str] = []
    throttled = CallResult(problem="Throttling: slow down", code="Throttling", transient=True)
    outcome = run(WAIT, LOOK, states("running"), throttled, states("stopped"), polls=polls)
    assert outcome.status is StepStatus.COMPLETED
    assert polls == ["running", "Throttling: slow down"]


def test_waiting_ends_with_a_refusal_and_with_its_time() -> None:
    assert run(WAIT, LOOK, CallResult(problem="AccessDenied: no")).status is StepStatus.FAILED
    assert run(WAIT, LOOK, states("running"), seconds=0).status is StepStatus.TIMEOUT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT10M", 600), ("PT1H30M", 5400), ("P1D", 86_400), ("P1W", 604_800), ("PT0.5S", 0.5), ("10m", None), ("P", None),
     ("PT", None), ("", None)],
)  # fmt: skip
def test_durations_are_iso_8601(text: str, seconds: float | None) -> None:
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize(
    ("inputs", "status"),
    [
        ({"Duration": "PT0S"}, StepStatus.COMPLETED),
        ({"Timestamp": "2020-01-01T00:00:00Z"}, StepStatus.COMPLETED),
        ({"Timestamp": "2020-01-01T00:00:00"}, StepStatus.COMPLETED),
        ({"Duration": "soon"}, StepStatus.FAILED),
        ({}, StepStatus.FAILED),
    ],
)
def test_sleeping_needs_a_time(inputs: dict[str, str], status: StepStatus) -> None:
    assert run("aws:sleep", inputs).status is status


@pytest.mark.parametrize(
    ("variable", "default", "next_step"),
    [("{{ Wanted }}", None, "onStopped"), ("running", "otherwise", "otherwise"), ("running", None, "")],
)
def test_a_branch_takes_the_first_choice_that_holds(variable: str, default: str | None, next_step: str) -> None:
    inputs: dict[str, Any] = {"Choices": [{"NextStep": "onStopped", "Variable": variable, "StringEquals": "stopped"}]}
    outcome = run("aws:branch", inputs | ({"Default": default} if default else {}))
    assert (outcome.status, outcome.next_step) == (StepStatus.COMPLETED, next_step)


def test_an_api_call_gives_its_answer_or_its_loss() -> None:
    assert run("aws:executeAwsApi", {}, states("x")).answer == {"States": [{"Name": "x"}]}
    assert run("aws:executeAwsApi", {}, CallResult(problem="gone", lost=True)).status is StepStatus.OUTCOME_UNKNOWN
