"""Faults put between botocore and the simulated AWS."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.canned_response import canned_response
from tests.scanner.moto_estate import KEYS, PROD, STAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSResponse


@dataclass
class Faults:
    """A handler of botocore's ``before-send``: answers or raises in place of the service.

    A fault is set by operation (``rds:DescribeDBInstances``), account and region, from the n-th such call on.
    """

    rules: list[tuple[str, str, str, range, Any]] = field(default_factory=list)
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    agents: list[str] = field(default_factory=list)

    @property
    def events(self) -> dict[str, Callable[..., Any]]:
        return {"before-send": self}

    def set(
        self, operation: str, fault: Any, *, account: str = PROD, region: str = "eu-west-1", calls: range = range(1, 99)
    ) -> None:
        self.rules.append((operation, account, region, calls, fault))

    def made(self, operation: str) -> int:
        return sum(count for key, count in self.calls.items() if key[0] == operation)

    def __call__(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        _event, service, name = event_name.split(".")
        operation = f"{service}:{name}"
        signature = request.headers["Authorization"]
        signature = signature.decode() if isinstance(signature, bytes) else signature
        signed = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", signature)
        assert signed
        key, region = signed.groups()
        place = (operation, PROD if key == KEYS["aws_access_key_id"] else STAGE, region)
        agent = request.headers["User-Agent"]
        self.agents.append(agent.decode() if isinstance(agent, bytes) else agent)
        self.calls[place] += 1
        for *where, calls, fault in self.rules:
            if tuple(where) == place and self.calls[place] in calls:
                if isinstance(fault, Exception):
                    raise fault
                return fault(request.url, service)
        return None


def refusal(code: str, status: int = 400, message: str = "refused") -> Callable[[str, str], AWSResponse]:
    """Return a fault that answers with an AWS error, in the form of the service's protocol."""

    def answer(url: str, service: str) -> AWSResponse:
        if service in ("dynamodb", "sqs", "resource-groups-tagging-api", "lambda"):
            body = json.dumps({"__type": code, "message": message}).encode()
            return canned_response(url, status, body, {"x-amzn-errortype": code})
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        wrapped = {"ec2": f"<Response><Errors>{error}</Errors></Response>", "s3": error}
        body = wrapped.get(service, f"<ErrorResponse>{error}</ErrorResponse>").encode()
        return canned_response(url, status, body)

    return answer


def body(text: str, status: int = 200) -> Callable[[str, str], AWSResponse]:
    """Return a fault that answers with exactly this text."""
    return lambda url, service: canned_response(url, status, text.encode())
