"""Evaluates the acting principals' permissions on the resources of a scan, with one evaluator per account.

An account's acting principal is the one that runs plans there. Its policies are read while resources are listed.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cloudops_nb.aws.error_states import classify
from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.errors import CloudOpsError
from cloudops_nb.iam import Evaluator, Policy, Principal, PrincipalKind, Unreadable
from cloudops_nb.model import IamPermissions
from cloudops_nb.scanner.calls.call_errors import ScanStoppedError
from cloudops_nb.scanner.policies.acting_principal import find_acting_principal
from cloudops_nb.scanner.policies.organization_policies import OrganizationPolicies
from cloudops_nb.scanner.policies.policy_calls import CredentialsExpiredError, PolicyCache, PolicyCalls
from cloudops_nb.scanner.policies.principal_policies import PrincipalPolicyReader, unreadable_policies

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.iam import PrincipalPolicies
    from cloudops_nb.model import Account
    from cloudops_nb.scanner.calls.aws_calls import AwsCalls

_log = logging.getLogger(__name__)
#: Maximum number of threads that read policies, in addition to the threads that list resources. An account uses a few
#: of them for less than a second.
_POLICY_THREADS = 64


class AccountVerdicts:
    """Evaluates the acting principal's permissions on the resources of one account; thread-safe.

    The first thread that needs the policies reads them; other threads wait until they are read.
    """

    def __init__(self, read: Callable[[], PrincipalPolicies]) -> None:
        self._read_policies = read
        self._lock = threading.Lock()
        self._evaluator: Evaluator | None = None

    def prepare(self) -> Evaluator:
        """Read the policies if necessary, and return the evaluator.

        Raises:
            ScanStoppedError: The scan was stopped.
        """
        # Checked first without the lock, because this method runs for every resource.
        if self._evaluator is None:
            with self._lock:
                if self._evaluator is None:
                    self._evaluator = Evaluator(self._read_policies())
        return self._evaluator

    def permissions(
        self,
        actions: Sequence[str],
        arn: str,
        *,
        account_id: str,
        region: str,
        tags: Mapping[str, str] | None,
        resource_policy: Any = None,
    ) -> IamPermissions:
        """Return the verdicts on one resource; if the evaluation fails, all actions are unknown for this reason.

        Args:
            actions: IAM actions.
            arn: The resource's ARN.
            account_id: The resource's account.
            region: The region to which calls about the resource go; ``global`` for a service without regions.
            tags: The resource's tags, ``None`` if they are not known.
            resource_policy: The resource's own policy: a policy document, ``None`` if the resource has no policy, or an
                :class:`~cloudops_nb.iam.Unreadable` if the policy could not be read.

        Raises:
            ScanStoppedError: The scan was stopped.
        """
        if not actions:
            return IamPermissions()
        evaluator = self.prepare()
        try:
            policy = _compiled_resource_policy(resource_policy)
            return evaluator.permissions(
                actions, arn, account_id=account_id, region=region, tags=tags, resource_policy=policy
            )
        except Exception as error:  # noqa: BLE001 - recorded as unknown verdicts; the resource is kept
            _log.info("evaluating a resource's permissions failed: %s", type(error).__name__)
            why = f"the evaluation failed: {type(error).__name__}: {error}"
            return IamPermissions(unknown=tuple(actions), reasons=dict.fromkeys(actions, why))


class ScanVerdicts:
    """The evaluators of one scan, by account; thread-safe.

    Args:
        sessions: The sessions of the configured accounts.
        calls_into: Returns, for an account id, the object that makes rate-limited calls into this account.
    """

    def __init__(self, sessions: AccountSessions, calls_into: Callable[[str], AwsCalls]) -> None:
        self._sessions = sessions
        self._calls_into = calls_into
        self._pool = ThreadPoolExecutor(_POLICY_THREADS, thread_name_prefix="cloudops-policies")
        self._cache = PolicyCache()
        self._organizations = OrganizationPolicies(self._cache, self._calls_of_known_account)
        self._lock = threading.Lock()
        self._by_account: dict[str, AccountVerdicts] = {}

    def start_reading(self, accounts: Collection[Account]) -> None:
        """Start to read the policies of accounts in the background; may ask for an MFA code on this thread."""
        by_account = [self.of_account(account) for account in accounts]
        with_operate_profile = [account.name for account in accounts if account.operate_profile]
        if with_operate_profile:
            # Get the credentials of these accounts now, because the threads of the pool cannot ask for an MFA code.
            with suppress(CloudOpsError):  # reading the policies raises the same error again, which is then recorded
                self._sessions.operators.accounts(with_operate_profile)
        for verdicts in by_account:
            self._pool.submit(verdicts.prepare)

    def of_account(self, account: Account) -> AccountVerdicts:
        """Return the object that evaluates permissions on one account's resources; each account has one per scan."""
        with self._lock:
            return self._by_account.setdefault(
                account.account_id, AccountVerdicts(partial(self._read_policies, account))
            )

    def close(self, *, wait: bool = False) -> None:
        """Shut down the threads that read policies. Call this method after the scan was stopped.

        Reads that have not started are cancelled. A running read ends after its current AWS call.

        Args:
            wait: If true, wait until the running reads have ended.
        """
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def _calls(self, account_id: str) -> PolicyCalls:
        return PolicyCalls(self._calls_into(account_id), self._pool)

    def _calls_of_known_account(self, account_id: str) -> PolicyCalls | None:
        with self._lock:
            known = account_id in self._by_account
        return self._calls(account_id) if known else None

    def _read_policies(self, account: Account) -> PrincipalPolicies:
        """Return the policies of an account's acting principal; after a failure, some or all of them are unreadable."""
        account_id = account.account_id
        # This placeholder is used if the acting principal cannot be found.
        principal = Principal(PrincipalKind.ROLE, "", self._sessions.partition(account_id), account_id, "")
        reader = PrincipalPolicyReader(self._calls(account_id), self._cache, self._organizations)
        try:
            acting = find_acting_principal(account, self._sessions)
            principal = acting.principal
            generation = self._sessions.generation(account_id)
            try:
                return reader.read(acting)
            # If another thread has renewed the credentials since ``generation`` was read, renew() keeps them.
            except CredentialsExpiredError:
                self._sessions.renew(account_id, generation)
                return reader.read(acting)
        except ScanStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - recorded as unknown verdicts; the resources are kept
            return unreadable_policies(principal, _failure_reason(error))


def _failure_reason(error: Exception) -> str:
    return str(error) if isinstance(error, CloudOpsError) else classify(error, region=GLOBAL).detail


def _compiled_resource_policy(policy: Any) -> Policy | Unreadable | None:
    """Return a resource's policy in compiled form; an invalid document counts as unreadable."""
    if policy is None or isinstance(policy, Unreadable):
        return policy
    try:
        return Policy.parse(policy, name="the resource's own policy")
    except CloudOpsError as error:
        return Unreadable(f"the resource's own policy: {error}")
