"""Finds the acting principal of an account, which runs plans there, and whether a session policy may limit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.iam import Principal, PrincipalKind, Unreadable, acting_principal

if TYPE_CHECKING:
    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import Account

_ARN_PARTS = 6
#: botocore's names for sources of credentials whose role sessions have no session policy, because botocore or an AWS
#: service opens the sessions without one. ``container-role`` is missing: an EKS pod identity may have a session policy.
_WITHOUT_SESSION_POLICY = frozenset({"assume-role", "assume-role-with-web-identity", "iam-role", "sso"})
#: The sources whose sessions have no session tags either. An assumed role may inherit tags from an earlier role.
_WITHOUT_SESSION_TAGS = frozenset({"iam-role"})


@dataclass(frozen=True, slots=True)
class ActingPrincipal:
    """The principal that acts in an account.

    Attributes:
        principal: The role, user or root.
        session_policy: Set if a session policy may limit the principal; no API returns session policies.
        may_have_session_tags: Whether the session may have tags, which take precedence over the role's tags.
    """

    principal: Principal
    session_policy: Unreadable | None
    may_have_session_tags: bool


def find_acting_principal(account: Account, sessions: AccountSessions) -> ActingPrincipal:
    """Return the principal that acts in an account.

    Args:
        account: The account, with its id.
        sessions: The sessions of the configured accounts.

    Raises:
        CloudOpsError: The acting principal cannot enter the account, or belongs to a different account.
    """
    if account.operate_role_arn:
        # A plan assumes this role itself, without a session policy, so the role need not be assumed here.
        role = _checked_account(account, _principal_of_role(account.operate_role_arn))
        return ActingPrincipal(role, session_policy=None, may_have_session_tags=True)
    acting_sessions = sessions.operators if account.operate_profile else sessions
    principal = _checked_account(account, acting_principal(acting_sessions.caller(account.account_id).arn))
    method = acting_sessions.credential_method(account.account_id)
    may_have_tags = bool(principal.session) and method not in _WITHOUT_SESSION_TAGS
    return ActingPrincipal(principal, _session_policy(principal, method), may_have_tags)


def _principal_of_role(arn: str) -> Principal:
    parts = arn.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or parts[2] != "iam" or not parts[5].startswith("role/"):
        what, fix = (
            f"invalid operate_role_arn {arn[:80]!r}",
            "Use an ARN such as arn:aws:iam::123456789012:role/Operator.",
        )
        raise ConfigurationError(what, "it is not the ARN of a role", fix)
    return Principal(PrincipalKind.ROLE, arn, parts[1], parts[4], arn.rpartition("/")[2])


def _checked_account(account: Account, principal: Principal) -> Principal:
    if principal.account_id != account.account_id:
        what = f"{principal.arn} cannot act in account {account.account_id}"
        why = f"it belongs to account {principal.account_id}"
        raise ConfigurationError(what, why, "Correct operate_role_arn or operate_profile of the account.")
    return principal


def _session_policy(principal: Principal, method: str) -> Unreadable | None:
    """Return the unreadable session policy that may limit a principal, ``None`` if there is no session policy."""
    # Long-term credentials of a user or of root have no session.
    if not principal.session or (principal.kind is PrincipalKind.ROLE and method in _WITHOUT_SESSION_POLICY):
        return None
    if principal.kind is PrincipalKind.ROLE:
        return Unreadable(f"the session was opened elsewhere and may have a session policy (credentials: {method})")
    return Unreadable(principal.note)
