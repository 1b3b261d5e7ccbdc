"""The only place from which a scan calls AWS."""

from __future__ import annotations

import threading

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.scanner.calls.aws_calls import AwsCalls
from cloudops_nb.scanner.calls.rate_limiter import RateLimiter
from tests.synthetic_aws import SyntheticAws

REGION = "eu-west-1"


@pytest.mark.parametrize(
    ("service", "operation"), [("ec2", "TerminateInstances"), ("secretsmanager", "GetSecretValue"), ("s3", "GetObject")]
)
def test_no_call_that_does_more_than_read_is_sent_whatever_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, service: str, operation: str
) -> None:
    aws = SyntheticAws(regions=[REGION])
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    sessions = AccountSessions(aws.accounts, events=aws.events())
    (account, *_) = sessions.accounts()
    before = list(aws.calls)
    calls = AwsCalls(sessions, account.account_id, RateLimiter(), threading.Event())
    for attempt in (
        lambda: calls.call(service, REGION, operation, {}),
        lambda: list(calls.pages(service, REGION, operation, {}, None)),
        lambda: calls.joined_pages(service, REGION, operation, {}),
    ):
        with pytest.raises(ConfigurationError, match=f"a scan does not call {service}:{operation}"):
            attempt()
    assert list(aws.calls) == before
    assert calls.tally.calls == 0
    sessions.close()
