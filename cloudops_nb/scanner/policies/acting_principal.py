"""Finds the principal that acts in an account, and whether a session policy may limit it further."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudops_nb.errors import ConfigurationError
from cloudops_nb.iam import Principal, PrincipalKind, Unreadable, acting_principal

if TYPE_CHECKING:
    from cloudops_nb.aws.sessions import AccountSessions
    from cloudops_nb.model import Account

_ARN_PARTS = 6
#: botocore's credential methods whose role sessions have no session policy, because botocore or the service that issues
#: the credentials opened them. ``container-role`` is not one of them: an EKS pod identity may have a session policy.
_WITHOUT_POLICY = frozenset({"assume-role", "assume-role-with-web-identity", "iam-role", "sso"})
#: The methods whose sessions have no tags either; in a chain of roles, tags may come from an earlier role.
_WITHOUT_TAGS = frozenset({"iam-role"})


@dataclass(frozen=True, slots=True)
class ActingPrincipal:
    """The principal that acts in an account.

    ``session`` is set if a session policy, which no API shows, may limit the principal. ``tagged`` says whether the
    session may have tags of its own, which take precedence over the role's tags.
    """

    principal: Principal
    session: Unreadable | None
    tagged: bool


def find_acting_principal(account: Account, sessions: AccountSessions) -> ActingPrincipal:
    """Return the principal that acts in an account.

    Args:
        account: The account, with its id.
        sessions: The sessions of the configured accounts.

    Raises:
        CloudOpsError: The acting principal cannot enter the account, or belongs to another one.
    """
    if account.operate_role_arn:
        # Plans open this role's sessions themselves, without a session policy, so its ARN is enough.
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
        raise ConfigurationError(f"invalid operate_role_arn {arn[:80]!r}", "it is not the ARN of a role", "Correct it.")
    return Principal(PrincipalKind.ROLE, arn, parts[1], parts[4], arn.rpartition("/")[2])


def _checked_account(account: Account, principal: Principal) -> Principal:
    if principal.account_id != account.account_id:
        what = f"{principal.arn} cannot act in account {account.account_id}"
        raise ConfigurationError(what, "it belongs to another account", "Correct operate_role_arn or the profile.")
    return principal


def _session_policy(principal: Principal, method: str) -> Unreadable | None:
    """Return the session policy that may limit a principal; long-term credentials of a user or root have none."""
    if not principal.session or (principal.kind is PrincipalKind.ROLE and method in _WITHOUT_POLICY):
        return None
    if principal.kind is PrincipalKind.ROLE:
        return Unreadable(f"a policy of the session itself, which was opened elsewhere (credentials: {method})")
    return Unreadable(principal.note)
