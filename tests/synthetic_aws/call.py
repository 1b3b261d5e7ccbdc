"""A call as it arrives at the synthetic AWS, and what is answered."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.canned_response import canned_response
from tests.synthetic_aws.models import paging

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.awsrequest import AWSResponse


@dataclass(frozen=True)
class Call:
    """One request: who asks, where, what, and as the how-manieth of its kind in this account and region."""

    account: str
    region: str
    service: str
    operation: str
    parameters: Mapping[str, Any]
    url: str = ""
    number: int = 1

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What estates and faults are keyed by."""
        return self.account, self.region, self.service, self.operation

    @cached_property
    def asked(self) -> Mapping[str, Any]:
        """The parameters without those that only choose a page."""
        rules = paging(self.service, self.operation)
        paged = {*rules.inputs, rules.limit} if rules else set()
        return {name: value for name, value in self.parameters.items() if name not in paged}

    @property
    def is_later_page(self) -> bool:
        """Whether it asks for another page than the first."""
        rules = paging(self.service, self.operation)
        return rules is not None and any(self.parameters.get(name) is not None for name in rules.inputs)

    @cached_property
    def digest(self) -> str:
        """A short word for :attr:`asked`, so that page tokens and items of different questions differ."""
        text = json.dumps(self.asked, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Answer:
    """A response before it becomes botocore's."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, url: str) -> AWSResponse:
        """Return it as what botocore takes from the network."""
        return canned_response(url, self.status, self.body, self.headers)
