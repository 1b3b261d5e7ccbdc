"""Makes the calls that read policies, caches compiled policies, and lists the operations that these calls use.

A failed read yields an :class:`~cloudops_nb.iam.Unreadable` with the reason, never an empty list of policies.
"""

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
from cloudops_nb.scanner.calls.call_errors import BrokenResponseError, ScanStoppedError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from cloudops_nb.scanner.calls.aws_calls import AwsCalls

T = TypeVar("T")

_READ_FAILURES = (ClientError, BotoCoreError, CloudOpsError, TruncatedError, BrokenResponseError)


class CredentialsExpiredError(Exception):
    """The credentials expired while policies were read; after renewing the credentials, read the policies again."""


@dataclass(frozen=True)
class DeniedRead(Unreadable):
    """A part of the policies that AWS refused to return; a different call may be allowed to read the same part."""


class PolicyCalls:
    """Makes the calls that read policies in one account; thread-safe. Several instances may share the thread pool."""

    def __init__(self, calls: AwsCalls, pool: Executor) -> None:
        self._calls = calls
        self._pool = pool

    def response_member(self, service: str, operation: str, member: str, **parameters: Any) -> Any:
        """Make one call, and return the member named ``member`` of its response."""
        return _required_member(self._calls.call(service, GLOBAL, operation, parameters), member, operation)

    def listed_items(self, service: str, operation: str, member: str, **parameters: Any) -> list[Any]:
        """Return the items of the list named ``member``, joined from all pages of an operation."""
        pages = self._calls.pages(service, GLOBAL, operation, parameters, None)
        return [item for page in pages for item in _required_member(page, member, operation)]

    def pages(self, service: str, operation: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return all pages of an operation."""
        return list(self._calls.pages(service, GLOBAL, operation, parameters, None))

    def in_parallel(self, *reads: Callable[[], T]) -> list[T]:
        """Run functions in parallel if the pool has free threads, and return their results in the same order.

        Raises:
            ScanStoppedError: The pool was shut down because the scan was stopped.
        """
        try:
            futures = [self._pool.submit(read) for read in reads[1:]]
        except RuntimeError:
            raise ScanStoppedError from None
        first = [read() for read in reads[:1]]
        # This thread runs every read that no other thread has started. It must not just wait, because a read may itself
        # call this method: if all threads of the pool waited, no thread would be left to run what they wait for.
        rest = [read() if future.cancel() else future.result() for read, future in zip(reads[1:], futures, strict=True)]
        return first + rest


def read_or_unreadable(what: str, read: Callable[[], T]) -> T | Unreadable:
    """Read a part of the policies; if it cannot be read, return an ``Unreadable`` with the reason.

    Args:
        what: The name of the part; the reason begins with it.
        read: Reads the part.

    Raises:
        CredentialsExpiredError: The credentials expired.
        ScanStoppedError: The scan was stopped.
    """
    try:
        return read()
    except _READ_FAILURES as error:
        failure = classify(error, region=GLOBAL)
        if failure.state is CellState.EXPIRED:
            raise CredentialsExpiredError from error
        kind = DeniedRead if failure.state in (CellState.DENIED, CellState.SCP_DENIED) else Unreadable
        return kind(f"{what} could not be read: {failure.detail}")


def _required_member(response: Mapping[str, Any], member: str, operation: str) -> Any:
    if member not in response:
        raise BrokenResponseError(f"{operation} returned no {member}")
    return response[member]


class PolicyCache:
    """The policies that one scan has read and compiled. All accounts of the scan share one cache; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._policies: dict[tuple[str, str], Policy] = {}

    def managed_policy(self, calls: PolicyCalls, arn: str) -> Policy:
        """Return the default version of a managed policy; read its document only if this version is not cached."""
        version = calls.response_member("iam", "GetPolicy", "Policy", PolicyArn=arn)["DefaultVersionId"]

        def read() -> Any:
            found = calls.response_member("iam", "GetPolicyVersion", "PolicyVersion", PolicyArn=arn, VersionId=version)
            return found["Document"]

        return self.compiled_policy(arn, version, read, name=policy_name(arn))

    def compiled_policy(self, key: str, version: str, read: Callable[[], Any], *, name: str) -> Policy:
        """Return a policy from the cache by ARN (``key``) and version; if it is missing, read and compile it."""
        with self._lock:
            policy = self._policies.get((key, version))
        if policy is None:
            # Read without the lock, because a call takes long. If two threads read the same policy, the first result is
            # kept.
            policy = Policy.parse(read(), name=name)
            with self._lock:
                policy = self._policies.setdefault((key, version), policy)
        return policy


def policy_name(arn: str) -> str:
    """Return the name of a managed policy without its path. The reasons of verdicts show this name."""
    return arn.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class PolicyOperation:
    """An operation that reads policies.

    Attributes:
        service: botocore's name for the service.
        operation: The operation's name.
        times: How often the operation is called per account, in words, such as ``once per page``.
        fallback: Whether the operation is called only if a different operation is denied.
    """

    service: str
    operation: str
    times: str
    fallback: bool = False


@cache
def policy_operations() -> tuple[PolicyOperation, ...]:
    """Return every operation that a scan may call to read policies."""
    return tuple(PolicyOperation(**row) for row in bundled_table(__package__, "policy_operations.yaml"))
