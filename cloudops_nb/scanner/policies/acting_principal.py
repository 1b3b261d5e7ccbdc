"""Finds the acting principal of an account: the principal that runs plans there.

Also finds out whether a session policy may limit that principal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.iam import Principal, PrincipalKind, Unreadable, acting_principal
from cloudops_nb.iam.principal import ARN_PARTS

if TYPE_CHECKING:
    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import Account

#: Sources of credentials, by botocore's names. Role sessions from these sources have no session policy, because
#: botocore or an AWS service opens them without one. ``container-role`` is not listed, because an EKS pod identity may
#: have a session policy.
_WITHOUT_SESSION_POLICY = frozenset({"assume-role", "assume-role-with-web-identity", "iam-role", "sso"})
#: The sources whose role sessions have no session tags either. The session of an assumed role may inherit tags from the
#: session that assumed the role.
_WITHOUT_SESSION_TAGS = frozenset({"iam-role"})


@dataclass(frozen=True, slots=True)
class ActingPrincipal:
    """The principal that acts in an account.

    Attributes:
        principal: The role, user, root user or federated user.
        session_policy: ``None`` if no session policy limits the principal. Otherwise unreadable, because no API returns
            session policies.
        may_have_session_tags: True if the session may have tags, which would take precedence over the role's tags.
    """

    principal: Principal
    session_policy: Unreadable | None
    may_have_session_tags: bool


def find_acting_principal(account: Account, sessions: AccountSessions) -> ActingPrincipal:
    """Return the principal that acts in an account.

    Args:
        account: The account; its ``account_id`` must be set.
        sessions: The sessions of the configured accounts.

    Raises:
        CloudOpsError: The acting principal has no working credentials or belongs to a different account, or
            ``operate_role_arn`` is not the ARN of a role.
    """
    if account.operate_role_arn:
        # When a plan runs, it assumes this role without a session policy. So the role need not be assumed here.
        role = _checked_account(account, _principal_of_role(account.operate_role_arn))
        return ActingPrincipal(role, session_policy=None, may_have_session_tags=True)
    acting_sessions = sessions.operators if account.operate_profile else sessions
    principal = _checked_account(account, acting_principal(acting_sessions.caller(account.account_id).arn))
    method = acting_sessions.credential_method(account.account_id)
    may_have_tags = bool(principal.session) and method not in _WITHOUT_SESSION_TAGS
    return ActingPrincipal(principal, _session_policy(principal, method), may_have_tags)


def _principal_of_role(arn: str) -> Principal:
    parts = arn.split(":", ARN_PARTS - 1)
    if len(parts) != ARN_PARTS or parts[2] != "iam" or not parts[5].startswith("role/"):
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
    """Return the session policy that may limit a principal, always unreadable; ``None`` if there is no such policy."""
    # A user or root user with long-term credentials has no session.
    if not principal.session or (principal.kind is PrincipalKind.ROLE and method in _WITHOUT_SESSION_POLICY):
        return None
    if principal.kind is PrincipalKind.ROLE:
        return Unreadable(f"the session was opened elsewhere and may have a session policy (credentials: {method})")
    return Unreadable(principal.note)
