"""The synthetic AWS itself: takes requests from botocore's events and answers them."""

from __future__ import annotations

import itertools
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cloudops_nb.model import Account
from tests.synthetic_aws.call import Answer, Call
from tests.synthetic_aws.errors import usual
from tests.synthetic_aws.faults import Served
from tests.synthetic_aws.listing import InvalidTokenError, Listing
from tests.synthetic_aws.models import is_listing, paging
from tests.synthetic_aws.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from botocore.awsrequest import AWSResponse

    from tests.synthetic_aws.buckets import DocumentedBuckets
    from tests.synthetic_aws.faults import Fault
    from tests.synthetic_aws.latency import Latency

    #: A listing or a sequence answers with pages of items, a mapping is the whole answer, ``None`` knows no answer.
    Content = Listing | Sequence[Any] | Mapping[str, Any] | None
    Place = tuple[str, str, str, str]

HOME_ACCOUNT = "123456789012"
_KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
_CREDENTIAL = re.compile(r"Credential=([^/]+)/")
_HEADER = "x-synthetic-call"
_CALL = "synthetic_aws"


class SyntheticAws:
    """Answers every operation of every service, in this process; thread-safe.

    Plug it in with ``AccountSessions(aws.accounts, events=aws.events())`` under the environment :attr:`environment`.

    Args:
        estate: By (account, region, service, operation), ``*`` standing for any account or region: what is answered,
            or a function of the call that returns it.
        otherwise: Asked for what is not in the estate, as :class:`EstateOfSpecs`; where it knows nothing either, pages
            are empty, and other operations answer with a sample of their shape.
        accounts: Account ids; each is entered through a role.
        regions: The regions that accounts have.
        latency: How long answers take; no time if not given.
        buckets: What refuses calls that come too fast; nothing if not given.
        faults: What goes wrong; the first that meets a call counts. May be changed at any time.
        largest_page: No page has more items than this, whatever a request's limit.
    """

    def __init__(
        self,
        estate: Mapping[Place, Content | Callable[[Call], Content]] | None = None,
        *,
        otherwise: Callable[[Call], Content] | None = None,
        accounts: Sequence[str] = (HOME_ACCOUNT,),
        regions: Sequence[str] = ("eu-west-1",),
        latency: Latency | None = None,
        buckets: DocumentedBuckets | None = None,
        faults: Sequence[Fault] = (),
        largest_page: int = 1_000,
    ) -> None:
        self.estate = dict(estate or {})
        self.otherwise = otherwise
        self.regions = tuple(regions)
        self.accounts = tuple(
            Account(name=f"account-{number}", role_arn=f"arn:aws:iam::{account}:role/Scan")
            for number, account in enumerate(accounts, 1)
        )
        self.latency = latency
        self.buckets = buckets
        self.faults = list(faults)
        #: Calls and throttles by (account, region, service, operation); retries count.
        self.calls: Counter[Place] = Counter()
        self.throttles: Counter[Place] = Counter()
        self._listings: dict[int, tuple[Any, Listing]] = {}
        self._under_way: dict[str, tuple[str, str, str, Mapping[str, Any]]] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._writer = Writer(largest_page)

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables under which sessions find their way in."""
        return {**_KEYS, "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}

    def events(self) -> dict[str, Callable[..., Any]]:
        """Return the handlers of botocore events by name."""
        return {
            "before-parameter-build.*": self._build,
            "before-call.*": self._begin,
            "before-send.*": self._send,
            "after-call.*": self._end,
            "after-call-error.*": self._end,
        }

    def count(self, operation: str = "", *, service: str = "", account: str = "") -> int:
        """Return how many calls came, of an operation, to a service, in an account; all if not given."""
        return sum(
            number
            for (who, _, where, what), number in self.calls.items()
            if operation in ("", what) and service in ("", where) and account in ("", who)
        )

    def forget_calls(self) -> None:
        """Count anew from here."""
        with self._lock:
            self.calls.clear()
            self.throttles.clear()

    # --- botocore's events, in the order in which they come --------------------------------------------------------

    def _build(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_CALL] = dict(params)

    def _begin(self, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        word = str(next(self._numbers))
        service, operation = model.service_model.service_name, model.name
        region = str(context["client_region"])
        # What botocore calls the region of a global service.
        region = "us-east-1" if region.endswith("-global") else region
        self._under_way[word] = (service, operation, region, context.pop(_CALL, {}))
        context[_HEADER] = params["headers"][_HEADER] = word

    def _end(self, context: dict[str, Any], **_: Any) -> None:
        self._under_way.pop(context.get(_HEADER, ""), None)

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        service, operation, region, parameters = self._under_way[_text(request.headers[_HEADER])]
        place = (_account(request), region, service, operation)
        with self._lock:
            self.calls[place] += 1
            number = self.calls[place]
        call = Call(*place, parameters, request.url, number)
        if self.latency:
            self.latency.wait(region)
        return self._answer(call).response(request.url)

    # --- answers ---------------------------------------------------------------------------------------------------

    def _answer(self, call: Call) -> Answer:
        if self.buckets and not self.buckets.admits(call):
            with self._lock:
                self.throttles[call.place] += 1
            return usual("throttled", call)
        fault = next((fault for fault in self.faults if fault.meets(call)), None)
        return fault.answer(call, Served(self, call)) if fault else self.real(call)

    def real(self, call: Call) -> Answer:
        """Answer a call as if nothing were wrong."""
        return self._written(call, self._content(call))

    def prepare(self, call: Call) -> None:
        """Make the answers to a list call and to those for its further pages, which are faster from then on."""
        listing = self._listed(call)
        rules = paging(call.service, call.operation)
        while rules and (token := self._writer.pages.page(call, listing).token):
            self.real(call)
            call = replace(call, parameters={**call.parameters, rules.inputs[0]: token})
        self.real(call)

    def empty(self, call: Call) -> Answer:
        """Answer a list call as if there were nothing."""
        content = self._content(call)
        return self._written(call, replace(content, templates=(), count=0) if isinstance(content, Listing) else [])

    def cut(self, call: Call) -> Answer:
        """Answer a list call with a first page that says there is more, and not how to get it."""
        return self._writer.cut(call, self._listed(call))

    def _written(self, call: Call, content: Content) -> Answer:
        if content is None and not is_listing(call.service, call.operation):
            return self._writer.whole(call, None)
        if isinstance(content, Mapping):
            return self._writer.whole(call, content)
        try:
            return self._writer.listing(call, self._listing(content))
        except InvalidTokenError:
            return usual("invalid_token", call)

    def _content(self, call: Call) -> Content:
        account, region, *what = call.place
        for place in ((account, region, *what), (account, "*", *what), ("*", region, *what), ("*", "*", *what)):
            if place in self.estate:
                found = self.estate[place]
                return found(call) if callable(found) else found
        if (own := _OWN.get(tuple(what))) is not None:
            return own(self, call)
        return self.otherwise(call) if self.otherwise else None

    def _listed(self, call: Call) -> Listing:
        content = self._content(call)
        assert not isinstance(content, Mapping), f"{call.operation} answers in one piece"
        return self._listing(content)

    def _listing(self, content: Listing | Sequence[Any] | None) -> Listing:
        if isinstance(content, Listing):
            return content
        if not content:
            return _EMPTY
        with self._lock:
            return self._listings.setdefault(id(content), (content, Listing(content)))[1]

    def _caller(self, call: Call) -> Mapping[str, Any]:
        arn = f"arn:aws:sts::{call.account}:assumed-role/Scan/synthetic"
        return {"Account": call.account, "Arn": arn, "UserId": "AROAEXAMPLE:synthetic"}

    def _assumed(self, call: Call) -> Mapping[str, Any]:
        account = str(call.parameters["RoleArn"]).split(":")[4]
        credentials = {
            "AccessKeyId": f"ASIA{account}",
            "SecretAccessKey": _KEYS["AWS_SECRET_ACCESS_KEY"],
            "SessionToken": "token",
            "Expiration": datetime.now(UTC) + timedelta(hours=1),
        }
        arn = f"arn:aws:sts::{account}:assumed-role/Scan/synthetic"
        return {"Credentials": credentials, "AssumedRoleUser": {"Arn": arn, "AssumedRoleId": "AROAEXAMPLE:synthetic"}}

    def _known_regions(self, _: Call) -> Mapping[str, Any]:
        return {"Regions": [{"RegionName": name, "OptInStatus": "opt-in-not-required"} for name in self.regions]}


_EMPTY = Listing(())
_OWN: Mapping[tuple[str, ...], Callable[[SyntheticAws, Call], Content]] = {
    ("sts", "GetCallerIdentity"): SyntheticAws._caller,
    ("sts", "AssumeRole"): SyntheticAws._assumed,
    ("ec2", "DescribeRegions"): SyntheticAws._known_regions,
}


def _account(request: Any) -> str:
    """Return the account whose credentials signed a request."""
    signed = _CREDENTIAL.search(_text(request.headers.get("Authorization", "")))
    key = signed.group(1) if signed else ""
    return key.removeprefix("ASIA") if key.startswith("ASIA") else HOME_ACCOUNT


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
