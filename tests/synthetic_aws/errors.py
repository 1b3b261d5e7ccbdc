"""Error answers as the services write them, and what each service calls the usual ones."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import yaml

from tests.synthetic_aws.call import Answer
from tests.synthetic_aws.models import protocol, service_model

if TYPE_CHECKING:
    from tests.synthetic_aws.call import Call


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "errors.yaml").read_text(encoding="utf-8"))
    return table


def usual(kind: str, call: Call) -> Answer:
    """Return a service's own error of a kind of ``errors.yaml``: ``throttled``, ``denied``, ``expired`` …"""
    entry = _table()[kind]
    code, status = entry.get(call.service) or entry[protocol(call.service)]
    message = entry["message"].format(action=f"{call.service}:{call.operation}", account=call.account)
    return error(call, code, status, message)


def error(call: Call, code: str, status: int, message: str) -> Answer:
    """Return an error in the form of the service's protocol."""
    spoken = protocol(call.service)
    if spoken in ("json", "rest-json"):
        headers = {"x-amzn-errortype": code, "content-type": "application/json"}
        if "awsQueryCompatible" in service_model(call.service).metadata:
            headers["x-amzn-query-error"] = f"{code};Sender"
        return Answer(status, json.dumps({"__type": code, "message": message}).encode(), headers)
    told = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    if spoken == "ec2":
        told = f"<Response><Errors>{told}</Errors><RequestID>0</RequestID></Response>"
    elif call.service != "s3":
        told = f"<ErrorResponse>{told}<RequestId>0</RequestId></ErrorResponse>"
    return Answer(status, told.encode(), {"content-type": "text/xml"})
