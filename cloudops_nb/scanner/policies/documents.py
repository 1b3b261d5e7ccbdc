"""Policy documents, each read and compiled once a scan, whichever accounts use it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from cloudops_nb.iam import Policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.scanner.policies.layer import PolicyCalls


class Documents:
    """The policies that one scan has read so far; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._policies: dict[tuple[str, str], Policy] = {}

    def managed(self, calls: PolicyCalls, arn: str) -> Policy:
        """Return a managed policy in its default version; another account's scan may have read it."""
        version = calls.one("iam", "GetPolicy", "Policy", PolicyArn=arn)["DefaultVersionId"]

        def read() -> Any:
            answer = calls.one("iam", "GetPolicyVersion", "PolicyVersion", PolicyArn=arn, VersionId=version)
            return answer["Document"]

        return self.compiled(arn, version, read, name=policy_name(arn))

    def compiled(self, key: str, version: str, read: Callable[[], Any], *, name: str) -> Policy:
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
