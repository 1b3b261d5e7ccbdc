"""An AWS that answers as a case says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.validate import ParamValidator

from cloudops_nb.execution.executor import CallResult
from cloudops_nb.execution.validation import fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.execution import ports
    from cloudops_nb.execution.executor import ApiCall


@dataclass(frozen=True)
class Caller:
    account_id: str
    arn: str


@dataclass(frozen=True)
class ModelsOnly:
    """Clients that know their service's model and make no call."""

    arn: str

    def client(self, account_id: str, service: str, region: str) -> Any:
        address = f"https://{service}.{region}.amazonaws.com"
        return SimpleNamespace(meta=SimpleNamespace(service_model=_model(service), endpoint_url=address))

    def caller(self, account_id: str, *, fresh: bool = False) -> ports.Caller:
        return Caller(account_id, self.arn)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@dataclass
class ScriptedAws:
    """Answers calls, and keeps those of the run.

    The reads that a plan and its last check make get the first answer, and count as no call of the run.

    Attributes:
        answers: By API, ``service:Api``, in order; the last one is repeated.
        running: Returns whether the run has begun.
    """

    answers: Mapping[str, Any]
    running: Callable[[], bool]
    calls: list[dict[str, Any]] = field(default_factory=list)

    def call(self, call: ApiCall) -> CallResult:
        name = f"{call.service}:{call.api}"
        if call.parameters.get("DryRun"):
            return CallResult(problem="DryRunOperation: it would have succeeded", code="DryRunOperation")
        parameters = fitted(call.api, call.parameters, _model(call.service))
        if refusal := _refusal(call, parameters):
            return CallResult(problem=f"ParamValidationError: {refusal}", code="ParamValidationError")
        listed = self.answers.get(name, {})
        listed = listed if isinstance(listed, list) else [listed]
        before = sum(name in each for each in self.calls)
        if self.running():
            self.calls.append({name: parameters})
        return _result(listed[min(before, len(listed) - 1)])


def _refusal(call: ApiCall, parameters: dict[str, Any]) -> str:
    """Return why botocore sends no such call."""
    shape = _model(call.service).operation_model(call.api).input_shape
    report = ParamValidator().validate(parameters, shape) if shape else None
    return report.generate_report() if report else ""


def _result(answer: Mapping[str, Any]) -> CallResult:
    if "error" not in answer:
        return CallResult(data=answer)
    code = str(answer["error"]).partition(":")[0]
    lost, transient = bool(answer.get("lost")), bool(answer.get("transient"))
    return CallResult(problem=str(answer["error"]), code=code, lost=lost, transient=transient)
