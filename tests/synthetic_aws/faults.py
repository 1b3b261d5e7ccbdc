"""Ways in which an answer can go wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from tests.synthetic_aws.call import Answer
from tests.synthetic_aws.errors import usual
from tests.synthetic_aws.models import operation_model, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.synthetic_aws.aws import SyntheticAws
    from tests.synthetic_aws.call import Call


@dataclass(frozen=True)
class Served:
    """What would be answered to a call, and that with less in it."""

    aws: SyntheticAws
    call: Call

    def real(self) -> Answer:
        """Return the answer."""
        return self.aws.real(self.call)

    def empty(self) -> Answer:
        """Return the answer with nothing in its list."""
        return self.aws.empty(self.call)

    def cut(self) -> Answer:
        """Return the answer's first page without the way to the next, which it says there is."""
        return self.aws.cut(self.call)


#: Takes the call and what would be answered; answers, or raises as botocore's HTTP session does.
Trouble = Callable[["Call", Served], Answer]


@dataclass(frozen=True)
class Fault:
    """Trouble for some calls: those of an account, a region, a service, an operation (empty: any) and a number.

    Args:
        trouble: What happens, one of :data:`TROUBLES` by name, or a function.
        calls: Which calls of an operation in an account and region, counted from one.
        when: What the parameters must hold, besides.
        later_pages: Whether only calls for another page than the first are meant.
    """

    trouble: str | Trouble
    account: str = ""
    region: str = ""
    service: str = ""
    operation: str = ""
    calls: range = range(1, 1_000_000)
    when: Mapping[str, object] = field(default_factory=dict)
    later_pages: bool = False

    def meets(self, call: Call) -> bool:
        """Return whether a call runs into it."""
        if self.operation not in ("", call.operation):
            return False  # nearly always, where there are hundreds
        places = zip((self.account, self.region, self.service), call.place, strict=False)
        return (
            all(not wanted or wanted == given for wanted, given in places)
            and call.number in self.calls
            and all(call.parameters.get(name) == value for name, value in self.when.items())
            and (not self.later_pages or call.is_later_page)
        )

    def answer(self, call: Call, served: Served) -> Answer:
        """Answer a call that runs into it, or raise what botocore's HTTP session would."""
        trouble = TROUBLES[self.trouble] if isinstance(self.trouble, str) else self.trouble
        return trouble(call, served)


def is_text(service: str, operation: str) -> bool:
    """Return whether an answer is one text in a form of its own, as a policy of S3."""
    shape = operation_model(service, operation).output_shape
    payload = shape.serialization.get("payload") if shape else None
    return shape is not None and payload is not None and shape.members[payload].type_name == "string"


def _refused(kind: str) -> Trouble:
    return lambda call, _: usual(kind, call)


def _timeout(call: Call, _: Served) -> Answer:
    raise ReadTimeoutError(endpoint_url=call.url)


def _reset(call: Call, _: Served) -> Answer:
    raise ConnectionClosedError(endpoint_url=call.url)


def _no_endpoint(call: Call, _: Served) -> Answer:
    raise EndpointConnectionError(endpoint_url=call.url)


def _half(_: Call, served: Served) -> Answer:
    """The connection is cut in the body, and something on the way made it look whole."""
    answer = served.real()
    return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)


def _empty(_: Call, served: Served) -> Answer:
    return served.empty()


def _cut(_: Call, served: Served) -> Answer:
    return served.cut()


def _portal(call: Call, _: Served) -> Answer:
    """Something on the way answers in the service's place."""
    return Answer(200, b"<html><body>Sign in to this network</body></html>", {"content-type": "text/html"})


def _malformed(call: Call, _: Served) -> Answer:
    """A well-formed answer that holds nothing of what it must."""
    name = f"{call.operation}Response"
    xml = f"<{name}><Weather>fine</Weather></{name}>"
    told = json.dumps({"weather": "fine"}) if "json" in protocol(call.service) else xml
    return Answer(200, told.encode(), {})


TROUBLES: Mapping[str, Trouble] = {
    "denied": _refused("denied"),
    "scp_denied": _refused("scp_denied"),
    "throttled": _refused("throttled"),
    "expired": _refused("expired"),
    "not_opted_in": _refused("not_opted_in"),
    "timeout": _timeout,
    "reset": _reset,
    "no_endpoint": _no_endpoint,
    "half": _half,
    "empty": _empty,
    "cut": _cut,
    "portal": _portal,
    "malformed": _malformed,
}
