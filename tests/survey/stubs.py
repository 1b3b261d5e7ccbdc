"""An AWS that answers by rules: clients without a network, and an executor that makes each check come true."""

from __future__ import annotations

import copy
import re
import threading
from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.validate import ParamValidator

from cloudops_nb.execution.executor import ApiCall, CallResult, Executor
from cloudops_nb.execution.plan import StepStatus
from cloudops_nb.execution.validation import fitted
from cloudops_nb.ssm.document import CHECKING_ACTIONS
from cloudops_nb.ssm.references import references, substitute
from cloudops_nb.ssm.values import convert
from tests.survey.answers import answer_of, place
from tests.survey.parameters import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.execution.execution import Execution
    from cloudops_nb.ssm.document import DocumentStep

#: How long a call waits for the survey to know its execution, in seconds.
_LONGEST_START = 10
_ITERATION = re.compile(r"#\d+")
#: Values of outputs by type, where no shape tells one.
_BY_TYPE: dict[str, Any] = {
    "String": "example-1",
    "Integer": 1,
    "Boolean": False,
    "StringList": ["example-1"],
    "StringMap": {"example": "1"},
    "MapList": [{"example": "1"}],
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls."""

    account_id: str
    arn: str


class StubClients:
    """Stands for clients: they know AWS's models and can make no call."""

    def client(self, account_id: str, service: str, region: str) -> Any:
        """Return an object with a client's ``meta``."""
        return SimpleNamespace(
            meta=SimpleNamespace(
                service_model=_model(service), endpoint_url=f"https://{service}.{region}.amazonaws.com"
            )
        )

    def caller(self, account_id: str, *, fresh: bool = False) -> Caller:
        """Return an operator of the account."""
        return Caller(account_id, f"arn:aws:sts::{ACCOUNT}:assumed-role/Operator/survey")


class StubExecutor(Executor):
    """Answers every call, and keeps the calls.

    A call is refused if its parameters do not fit botocore's model. Otherwise the answer is the side file's, or is made
    up. In a made-up one the property that the step looks at has its first desired value, and each output of a step that
    stands in for another has a value.

    Args:
        answers: Those of the side file.
        store: Values of Parameter Store by name.
        steps: The steps by their paths in the plan.
        stand_ins: Paths of the steps that stand in for others.
    """

    def __init__(
        self,
        answers: Mapping[str, Any],
        store: Mapping[str, Any],
        steps: Mapping[str, DocumentStep],
        stand_ins: frozenset[str] = frozenset(),
    ) -> None:
        self.calls: list[ApiCall] = []
        self._answers = answers
        self._store = store
        self._steps = steps
        self._stand_ins = stand_ins
        self._given_out: dict[str, int] = {}
        self._execution: Execution | None = None
        self._known = threading.Event()
        self._owner = threading.current_thread()

    def watch(self, execution: Execution) -> None:
        """Tell which execution makes the calls of other threads."""
        self._execution = execution
        self._known.set()

    def call(self, call: ApiCall) -> CallResult:
        """See :meth:`Executor.call`."""
        if call.parameters.get("DryRun") is True:
            return CallResult(problem="DryRunOperation: it would have succeeded", code="DryRunOperation")
        operation = _model(call.service).operation_model(call.api)
        call = replace(call, parameters=fitted(call.api, call.parameters, _model(call.service)))
        if problem := _misfit(call.parameters, operation.input_shape):
            return CallResult(problem=f"ParamValidationError: {problem}", code="ParamValidationError")
        self.calls.append(call)
        path = self._path()
        given = self._given(path, f"{call.service}.{call.api}")
        if given is not None and given.get("error"):
            return CallResult(problem=f"{given['error']}: refused by the side file", code=str(given["error"]))
        answer = answer_of(operation.output_shape, call.parameters)
        if (call.service, call.api) == ("ssm", "GetParameter"):
            value = self._store.get(str(call.parameters["Name"]), "example-1")
            answer["Parameter"] |= {"Type": "String", "Value": value, "Version": 1}
        if given is not None:
            answer |= given
        elif step := self._steps.get(path):
            self._fit(answer, step, path)
        return CallResult(data=answer, request_id=answer["ResponseMetadata"]["RequestId"])

    def _path(self) -> str:
        """Return the path of the step that calls; empty while a plan is made or checked."""
        if threading.current_thread() is self._owner or not self._known.wait(_LONGEST_START) or not self._execution:
            return ""
        running = [state.name for state in self._execution.steps if state.status is StepStatus.RUNNING]
        return max((_ITERATION.sub("", name) for name in running), key=lambda name: name.count("/"), default="")

    def _given(self, path: str, call: str) -> dict[str, Any] | None:
        key = path if path in self._answers else call
        found = self._answers.get(key)
        if isinstance(found, list):
            index = self._given_out[key] = self._given_out.get(key, -1) + 1
            found = found[min(index, len(found) - 1)]
        return copy.deepcopy(found)

    def _fit(self, answer: dict[str, Any], step: DocumentStep, path: str) -> None:
        if step.action in CHECKING_ACTIONS:
            selector, desired = (self._known_value(step.inputs[each]) for each in ("PropertySelector", "DesiredValues"))
            value = desired[0] if isinstance(desired, list) and desired else desired
            place(answer, str(selector), value)
        for output in step.outputs if path in self._stand_ins else ():
            place(answer, output.selector, convert(_BY_TYPE[output.type], output.type))

    def _known_value(self, value: Any) -> Any:
        """Return an input with what is known of the run filled in; anything else is an example."""
        if self._execution is None:
            return value
        known = dict(self._execution.plan.parameters)
        for outputs in self._execution.outputs.values():
            known |= outputs
        return substitute(value, {**dict.fromkeys(references(value), "example-1"), **known})


def _misfit(parameters: Mapping[str, Any], shape: Any) -> str:
    if shape is None:
        return "the API takes no parameters" if parameters else ""
    report = ParamValidator().validate(dict(parameters), shape)
    return str(report.generate_report()) if report.has_errors() else ""


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)
