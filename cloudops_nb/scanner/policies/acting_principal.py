"""Finds out who would act in an account, and whether a policy of the session may limit them further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.iam import Principal, PrincipalKind, Unreadable, acting_principal

if TYPE_CHECKING:
    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import Account

_ARN_PARTS = 6
#: Where botocore got credentials from when it, or the service that gave them, opened the role's session without a
#: policy. ``container-role`` is none: a pod identity of EKS may have one.
_WITHOUT_POLICY = frozenset({"assume-role", "assume-role-with-web-identity", "iam-role", "sso"})
#: Of those, where the session has no tags either: in a chain of roles they may come from an earlier one.
_WITHOUT_TAGS = frozenset({"iam-role"})


@dataclass(frozen=True, slots=True)
class ActingPrincipal:
    """Who acts in an account.

    ``session`` is set if a policy of the session, which nobody can read, may limit it; ``tagged`` says whether the
    session may have tags of its own, which count before those of the role.
    """

    principal: Principal
    session: Unreadable | None
    tagged: bool


def find_acting_principal(account: Account, sessions: AccountSessions) -> ActingPrincipal:
    """Return who acts in an account.

    Args:
        account: The account, with its id.
        sessions: The ways into the accounts.

    Raises:
        CloudOpsError: The principal that acts cannot get in, or belongs to another account.
    """
    if account.operate_role_arn:
        # Plans open its sessions themselves, without a policy, so that its ARN says all.
        return ActingPrincipal(
            _checked_account(account, _principal_of_role(account.operate_role_arn)), session=None, tagged=True
        )
    entered = sessions.operators if account.operate_profile else sessions
    principal = _checked_account(account, acting_principal(entered.caller(account.account_id).arn))
    method = entered.credential_method(account.account_id)
    tagged = bool(principal.session) and method not in _WITHOUT_TAGS
    return ActingPrincipal(principal, _session_policy(principal, method), tagged)


def _principal_of_role(arn: str) -> Principal:
    parts = arn.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise ConfigurationError(f"{arn[:80]!r} is no role's ARN", "", "Correct operate_role_arn.")
    return Principal(PrincipalKind.ROLE, arn, parts[1], parts[4], arn.rpartition("/")[2])


def _checked_account(account: Account, principal: Principal) -> Principal:
    if principal.account_id != account.account_id:
        what = f"{principal.arn} cannot act in account {account.account_id}"
        raise ConfigurationError(what, "it belongs to another account", "Correct who operates the account.")
    return principal


def _session_policy(principal: Principal, method: str) -> Unreadable | None:
    """Return what may limit a session; the long-term credentials of a user or root have none."""
    if not principal.session or (principal.kind is PrincipalKind.ROLE and method in _WITHOUT_POLICY):
        return None
    if principal.kind is PrincipalKind.ROLE:
        return Unreadable(f"a policy of the session itself, which was opened elsewhere (credentials: {method})")
    return Unreadable(principal.note)
