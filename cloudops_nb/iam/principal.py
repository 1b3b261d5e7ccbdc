"""The acting principal, derived from the ARN that ``sts:GetCallerIdentity`` returns.

The ARN forms are documented at https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloudops_nb.errors import ConfigurationError

_SSO_PREFIX = "AWSReservedSSO_"
_SSO_PATH = "aws-reserved/sso.amazonaws.com"
#: Number of parts in ``arn:partition:service:region:account:resource``; only the resource part may contain colons.
ARN_PARTS = 6


class PrincipalKind(StrEnum):
    """The kinds of identity that can act."""

    ROLE = "role"
    USER = "user"
    ROOT = "root"
    FEDERATED_USER = "federated-user"


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity that makes a call; its policies apply to the call.

    Attributes:
        kind: The kind of identity.
        arn: The IAM ARN of the role, user or root user, or the STS ARN of the federated user. Empty if the principal is
            not known.
        partition: The AWS partition, such as ``aws`` or ``aws-cn``.
        account_id: The account of the identity.
        name: The name of the role or user, without its path.
        session: The name of the session; empty for long-term credentials, and if the name is not known.
        note: A clause about what the caller's ARN does not show; empty if the ARN shows everything.
    """

    kind: PrincipalKind
    arn: str
    partition: str
    account_id: str
    name: str
    session: str = ""
    note: str = ""


def acting_principal(caller_arn: str) -> Principal:
    """Return the principal that a caller's ARN identifies.

    The caller ARN of an assumed role lacks the role's path, so the principal's ``arn`` is right only if the role has no
    path; ``note`` says so. A role of IAM Identity Center gets the path ``/aws-reserved/sso.amazonaws.com/``; its real
    path may also contain a Region.

    Raises:
        ConfigurationError: The text is not a caller ARN.
    """
    parts = caller_arn.split(":", ARN_PARTS - 1)
    if len(parts) != ARN_PARTS or parts[0] != "arn" or parts[2] not in ("iam", "sts"):
        raise _not_a_caller_arn(caller_arn)
    _, partition, _, _, account_id, resource = parts
    kind, _, name = resource.partition("/")
    if kind == "root" and not name:
        return Principal(PrincipalKind.ROOT, f"arn:{partition}:iam::{account_id}:root", partition, account_id, "root")
    if kind == "assumed-root":
        arn = f"arn:{partition}:iam::{account_id}:root"
        note = "a root session is limited by the task policy that opened it"
        return Principal(PrincipalKind.ROOT, arn, partition, account_id, "root", name, note)
    if not name:
        raise _not_a_caller_arn(caller_arn)
    if kind == "assumed-role":
        return _assumed_role(partition, account_id, name)
    if kind == "user":
        arn = f"arn:{partition}:iam::{account_id}:user/{name}"
        return Principal(PrincipalKind.USER, arn, partition, account_id, name.rpartition("/")[2])
    if kind == "federated-user":
        note = "both its session policy and the user who opened the session limit it"
        return Principal(PrincipalKind.FEDERATED_USER, caller_arn, partition, account_id, name, name, note)
    raise _not_a_caller_arn(caller_arn)


def _assumed_role(partition: str, account_id: str, role_and_session: str) -> Principal:
    name, _, session = role_and_session.partition("/")
    if name.startswith(_SSO_PREFIX):
        path = f"{_SSO_PATH}/{name}"
        note = "a role of IAM Identity Center, whose path may also contain the Region of Identity Center"
    else:
        path = name
        note = "the caller's ARN does not show the role's path"
    arn = f"arn:{partition}:iam::{account_id}:role/{path}"
    return Principal(PrincipalKind.ROLE, arn, partition, account_id, name, session, note)


def _not_a_caller_arn(text: str) -> ConfigurationError:
    why = "sts:GetCallerIdentity returns the ARN of an assumed role, a user, a federated user or a root user"
    return ConfigurationError(f"{text[:80]!r} is not a caller ARN", why)
