"""The specs read the answers that AWS gives as examples in the models that botocore ships."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, UnknownServiceError

from cloudops_nb.aws.account_session import Caller
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.declarations.selectors import fields, select
from cloudops_nb.model import Account, CellKey, CellState, Ternary
from cloudops_nb.scanner.calls.aws_calls import AwsCalls, CallTally
from cloudops_nb.scanner.reading.tag_listing import TAGGING_OPERATION
from cloudops_nb.scanner.reading.task_reader import PageRead, TaskReader
from cloudops_nb.scanner.task import ScanTask
from cloudops_nb.specs.checks.absent_fields import full_answer
from cloudops_nb.specs.files import bundled_specs
from tests.scanner.unjudged import Unjudged
from tests.synthetic_aws.models import loader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloudops_nb.model import CellResult, Resource
    from cloudops_nb.specs.model import ResourceSpec

pytestmark = pytest.mark.fast

ACCOUNT_ID = "123456789012"
#: What AWS has retired and still gives examples of: addresses of EC2-Classic had no identifier.
RETIRED = {"ec2_elastic_ip": "Domain == 'standard'"}
ARN = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:\w*:.+", re.DOTALL)


@cache
def _examples(service: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = loader().load_service_model(service, "examples-1")["examples"]
    except UnknownServiceError:
        return {}
    return found


def _answers(service: str, operation: str) -> list[dict[str, Any]]:
    return [example["output"] for example in _examples(service).get(operation, ()) if example.get("output")]


def _listings() -> Iterator[tuple[str, ResourceSpec, dict[str, Any]]]:
    for spec in bundled_specs():
        for number, answer in enumerate(_answers(spec.service, spec.list.operation)):
            if any(
                select(RETIRED.get(spec.resource_type, "`false`"), item) for item in select(spec.list.items, answer)
            ):
                continue
            yield f"{spec.resource_type}-{number}", spec, answer


def _refused(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "there is no example"}}, operation)


@dataclass
class _Calls(AwsCalls):
    """An account that answers with examples, and refuses what there is no example of."""

    spec: ResourceSpec
    answer: dict[str, Any]
    tally: CallTally = field(default_factory=CallTally)

    def check_offered(self, service: str, region: str) -> None:
        """Every service is offered everywhere here."""

    def pages(self, service: str, region: str, operation: str, *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        if operation == TAGGING_OPERATION:
            yield {"ResourceTagMappingList": []}
        elif operation == self.spec.list.operation:
            yield copy.deepcopy(self.answer)
        else:
            # A parent without an example is made up: what is listed for it has one.
            yield from _answers(service, operation) or [full_answer(service, operation)]

    def joined_pages(self, service: str, region: str, operation: str, parameters: Any) -> dict[str, Any]:
        for answer in _answers(service, operation):
            return copy.deepcopy(answer)
        raise _refused(operation)

    def call(self, service: str, region: str, operation: str, parameters: Any) -> dict[str, Any]:
        """Answer a batch call, if there is an example of all that is asked for."""
        (batch,) = (batch for batch in self.spec.batches if batch.operation == operation)
        for answer in _answers(service, operation):
            told = {str(select(batch.match, item)) for item in select(batch.items, answer) or ()}
            if told >= set(map(str, parameters[batch.keys])):
                return copy.deepcopy(answer)
        raise _refused(operation)


class _Sessions(AccountSessions):
    """As much of the ways into accounts as a reader asks for."""

    def __init__(self, account_id: str) -> None:
        self._caller = Caller(account_id, f"arn:aws:iam::{account_id}:user/reader")

    def caller(self, account_id: str, *, fresh: bool = False) -> Caller:
        return self._caller

    def partition(self, account_id: str) -> str:
        return "aws"

    def generation(self, account_id: str) -> int:
        return 0


def _owner(spec: ResourceSpec, answer: dict[str, Any]) -> str:
    """Return the account of which an example speaks, where it matters."""
    owners = [select(spec.owner, item) for item in select(spec.list.items, answer) or ()] if spec.owner else []
    return str(next(filter(None, owners), ACCOUNT_ID))


def _older_than_its_arn(spec: ResourceSpec, answer: dict[str, Any]) -> bool:
    """Return whether an example was written before AWS answered with ARNs there."""
    return spec.arn is not None and not any(name in json.dumps(answer, default=str) for name in fields(spec.arn))


def _read(spec: ResourceSpec, answer: dict[str, Any]) -> tuple[CellResult, Sequence[Resource]]:
    """Return how the first cell of an example ends, and its resources."""
    account_id = _owner(spec, answer)
    region = "eu-west-1" if spec.scope == "regional" else "global"
    keys = (CellKey(account_id, region, spec.resource_type),)
    task = ScanTask(
        spec, Account(name="prod", account_id=account_id), region, keys, every_region=True, every_detail=True
    )
    calls, sessions = _Calls(spec, answer), _Sessions(account_id)
    read = list(
        TaskReader(task, sessions, calls, lambda function, items: list(map(function, items)), Unjudged()).read()
    )
    (first, *_) = [each for each in read if not isinstance(each, PageRead)]
    return first, [resource for page in read if isinstance(page, PageRead) for resource in page.resources]


def _problems(spec: ResourceSpec, answer: dict[str, Any]) -> Iterator[str]:
    ended, resources = _read(spec, answer)
    if ended.state not in (CellState.OK, CellState.OK_EMPTY):
        yield f"it ends with {ended.state}: {ended.detail}"
    listed = len(select(spec.list.items, answer) or ())
    if len({resource.identifier for resource in resources}) != listed:
        yield f"{listed} items become {[resource.identifier for resource in resources]}"
    for resource in resources:
        if resource.identifier in ("", "None"):
            yield "a resource has no identifier"
        if not (ARN.fullmatch(resource.arn) or spec.arn_template == "" or _older_than_its_arn(spec, answer)):
            yield f"{resource.arn!r} is no ARN"
        if type(resource).from_dict(resource.to_dict()).to_dict() != resource.to_dict():
            yield f"{resource.identifier} is another after it was written and read"
        for verb in ("can_start", "can_stop", "can_delete"):
            constraint = getattr(resource.constraints, verb)
            unlike = "unexpected form" in constraint.reason
            if unlike or bool(constraint.reason) is (constraint.value is Ternary.TRUE):
                yield f"{verb} is {constraint.value} because {constraint.reason!r}"


def test_every_example_becomes_resources() -> None:
    listings = list(_listings())
    problems = {name: found for name, spec, answer in listings if (found := list(_problems(spec, answer)))}
    assert problems == {}
    assert len({spec.resource_type for _, spec, _ in listings}) > 20
