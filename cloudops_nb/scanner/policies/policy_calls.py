"""One layer of policies is read, or unreadable with the reason; a failure never empties it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cloudops_nb.aws.error_states import classify
from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.errors import CloudOpsError
from cloudops_nb.iam import Policy, Unreadable
from cloudops_nb.model import CellState
from cloudops_nb.scanner.calls.call_errors import BrokenAnswerError, ScanStoppedError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from cloudops_nb.scanner.calls.aws_calls import AwsCalls

T = TypeVar("T")

_LAYER_FAILURES = (ClientError, BotoCoreError, CloudOpsError, TruncatedError, BrokenAnswerError)


class CredentialsExpiredError(Exception):
    """The credentials expired while policies were read; with new ones the reading may go on."""


@dataclass(frozen=True)
class DeniedRead(Unreadable):
    """A layer that AWS did not let us read, so that another call may."""


class PolicyCalls:
    """The calls that read policies, on a pool that they may share; thread-safe."""

    def __init__(self, calls: AwsCalls, pool: Executor) -> None:
        self._calls = calls
        self._pool = pool

    def answer_member(self, service: str, operation: str, member: str, **parameters: Any) -> Any:
        """Make one call, and return a member of its answer."""
        return _required_member(self._calls.call(service, GLOBAL, operation, parameters), member, operation)

    def listed_items(self, service: str, operation: str, member: str, **parameters: Any) -> list[Any]:
        """Return the members of a list in all of an operation's pages."""
        pages = self._calls.pages(service, GLOBAL, operation, parameters, None)
        return [item for page in pages for item in _required_member(page, member, operation)]

    def pages(self, service: str, operation: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return all of an operation's pages."""
        return list(self._calls.pages(service, GLOBAL, operation, parameters, None))

    def in_parallel(self, *readings: Callable[[], T]) -> list[T]:
        """Do all readings at once where threads are free, and return what each gives.

        Raises:
            ScanStoppedError: The pool was shut down, since nobody wants the result any more.
        """
        try:
            futures = [self._pool.submit(reading) for reading in readings[1:]]
        except RuntimeError:
            raise ScanStoppedError from None
        first = [reading() for reading in readings[:1]]
        # What no thread has begun is done here: readings within readings must not wait for each other.
        rest = [
            reading() if future.cancel() else future.result()
            for reading, future in zip(readings[1:], futures, strict=True)
        ]
        return first + rest


def read_or_unreadable(what: str, reading: Callable[[], T]) -> T | Unreadable:
    """Return what a reading gives, or why it does not.

    Raises:
        CredentialsExpiredError: The credentials expired.
        ScanStoppedError: The scan was stopped.
    """
    try:
        return reading()
    except _LAYER_FAILURES as error:
        failure = classify(error, region=GLOBAL)
        if failure.state is CellState.EXPIRED:
            raise CredentialsExpiredError from error
        kind = DeniedRead if failure.state in (CellState.DENIED, CellState.SCP_DENIED) else Unreadable
        return kind(f"{what} could not be read: {failure.detail}")


def _required_member(answer: Mapping[str, Any], member: str, operation: str) -> Any:
    if member not in answer:
        raise BrokenAnswerError(f"{operation} answered without {member}")
    return answer[member]


class PolicyCache:
    """The policies that one scan has read so far; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._policies: dict[tuple[str, str], Policy] = {}

    def managed_policy(self, calls: PolicyCalls, arn: str) -> Policy:
        """Return a managed policy in its default version; another account's scan may have read it."""
        version = calls.answer_member("iam", "GetPolicy", "Policy", PolicyArn=arn)["DefaultVersionId"]

        def read() -> Any:
            answer = calls.answer_member("iam", "GetPolicyVersion", "PolicyVersion", PolicyArn=arn, VersionId=version)
            return answer["Document"]

        return self.compiled_policy(arn, version, read, name=policy_name(arn))

    def compiled_policy(self, key: str, version: str, read: Callable[[], Any], *, name: str) -> Policy:
        """Return the policy known under a key and a version, read and compiled if it is not known yet."""
        with self._lock:
            policy = self._policies.get((key, version))
        if policy is None:
            # Two threads may read it at once; the first to be done is kept.
            policy = Policy.parse(read(), name=name)
            with self._lock:
                policy = self._policies.setdefault((key, version), policy)
        return policy


def policy_name(arn: str) -> str:
    """Return how a reason names a managed policy: by its name, without the path."""
    return arn.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class PolicyOperation:
    """An operation that reads policies, and how often in words; a ``fallback`` is for where others are refused."""

    service: str
    operation: str
    times: str
    fallback: bool = False


@cache
def policy_operations() -> tuple[PolicyOperation, ...]:
    """Return every operation by which a scan may read policies."""
    return tuple(PolicyOperation(**row) for row in bundled_table(__package__, "policy_operations.yaml"))
