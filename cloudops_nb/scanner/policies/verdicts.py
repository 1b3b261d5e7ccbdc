"""The IAM verdicts on each resource of a scan, from one evaluator per account that is made while the listing runs."""

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
#: Threads that read policies, in addition to the listing threads; an account keeps a few busy for less than a second.
_THREADS = 64


class AccountVerdicts:
    """Evaluates permissions on the resources of one account; thread-safe.

    The first thread that needs the policies reads them; the other threads wait for it.
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
        # Checked without the lock first, because every resource comes through here.
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
        """Return the verdicts on one resource; an action that cannot be evaluated is unknown, with the reason.

        Args:
            actions: IAM actions.
            arn: The resource.
            account_id: The resource's account.
            region: The region that is called for the resource.
            tags: The resource's tags, ``None`` if they were not read.
            resource_policy: The resource's own policy: a document, ``None`` without one, or why it is unknown.

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
        except Exception as error:  # noqa: BLE001 - recorded in the verdicts; a resource must not be lost because of them
            _log.info("evaluating a resource's permissions failed: %s", type(error).__name__)
            why = f"it could not be evaluated: {type(error).__name__}: {error}"
            return IamPermissions(unknown=tuple(actions), reasons=dict.fromkeys(actions, why))


class ScanVerdicts:
    """The verdicts of one scan, by account; thread-safe.

    Args:
        sessions: The sessions of the configured accounts.
        calls_into: Makes the paced calls into an account.
    """

    def __init__(self, sessions: AccountSessions, calls_into: Callable[[str], AwsCalls]) -> None:
        self._sessions = sessions
        self._calls_into = calls_into
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="cloudops-policies")
        self._cache = PolicyCache()
        self._organizations = OrganizationPolicies(self._cache, self._calls_of_known_account)
        self._lock = threading.Lock()
        self._by_account: dict[str, AccountVerdicts] = {}

    def start_reading(self, accounts: Collection[Account]) -> None:
        """Start to read the policies of accounts without waiting; may ask for an MFA code on this thread."""
        chosen = [self.of_account(account) for account in accounts]
        profiles = [account.name for account in accounts if account.operate_profile]
        if profiles:
            with suppress(CloudOpsError):  # reading the policies meets the same error and records it
                self._sessions.operators.accounts(profiles)
        for verdicts in chosen:
            self._pool.submit(verdicts.prepare)

    def of_account(self, account: Account) -> AccountVerdicts:
        """Return the verdicts on an account's resources."""
        with self._lock:
            return self._by_account.setdefault(
                account.account_id, AccountVerdicts(partial(self._read_policies, account))
            )

    def close(self, *, wait: bool = False) -> None:
        """Release the threads after the scan's calls were stopped, and drop what they are still reading.

        Args:
            wait: Whether to wait for the answers to calls in flight.
        """
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def _calls(self, account_id: str) -> PolicyCalls:
        return PolicyCalls(self._calls_into(account_id), self._pool)

    def _calls_of_known_account(self, account_id: str) -> PolicyCalls | None:
        with self._lock:
            known = account_id in self._by_account
        return self._calls(account_id) if known else None

    def _read_policies(self, account: Account) -> PrincipalPolicies:
        """Return the policies of an account's acting principal; any failure makes layers unreadable."""
        account_id = account.account_id
        principal = Principal(PrincipalKind.ROLE, "", self._sessions.partition(account_id), account_id, "")
        reader = PrincipalPolicyReader(self._calls(account_id), self._cache, self._organizations)
        try:
            acts = find_acting_principal(account, self._sessions)
            principal = acts.principal
            generation = self._sessions.generation(account_id)
            try:
                return reader.read(acts)
            # Other threads may renew the same credentials; the generation lets only the first of them do so.
            except CredentialsExpiredError:
                self._sessions.renew(account_id, generation)
                return reader.read(acts)
        except ScanStoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - recorded in every verdict; a resource must not be lost because of policies
            return unreadable_policies(principal, _failure_reason(error))


def _failure_reason(error: Exception) -> str:
    return str(error) if isinstance(error, CloudOpsError) else classify(error, region=GLOBAL).detail


def _compiled_resource_policy(policy: Any) -> Policy | Unreadable | None:
    """Return a resource's policy for the evaluator; an invalid document counts as unreadable."""
    if policy is None or isinstance(policy, Unreadable):
        return policy
    try:
        return Policy.parse(policy, name="the resource's own policy")
    except CloudOpsError as error:
        return Unreadable(f"the resource's own policy: {error}")
