"""Who acts: the principal behind the ARN that ``sts:GetCallerIdentity`` answers.

The forms are those of https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloudops_nb.errors import ConfigurationError

_SSO_PREFIX = "AWSReservedSSO_"
_SSO_PATH = "aws-reserved/sso.amazonaws.com"
#: ``arn:partition:service:region:account:resource``, of which the resource may hold colons.
ARN_PARTS = 6


class PrincipalKind(StrEnum):
    """What kind of identity acts."""

    ROLE = "role"
    USER = "user"
    ROOT = "root"
    FEDERATED_USER = "federated-user"


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity whose policies count.

    ``arn`` is the IAM ARN of the role or user (of the federated user or root, their own). ``session`` is the session's
    name, empty for long-term credentials. ``note`` says what the caller's ARN leaves open, empty if nothing.
    """

    kind: PrincipalKind
    arn: str
    partition: str
    account_id: str
    name: str
    session: str = ""
    note: str = ""


def acting_principal(caller_arn: str) -> Principal:
    """Return the principal behind a caller's ARN.

    An assumed role's ARN lacks the role's path, so ``arn`` is right only for roles without one; ``note`` says so. Roles
    of IAM Identity Center are known to lie under ``/aws-reserved/sso.amazonaws.com/``.

    Raises:
        ConfigurationError: The text is no caller's ARN.
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
        note = "a root session is limited by the task policy it was opened with"
        return Principal(PrincipalKind.ROOT, arn, partition, account_id, "root", name, note)
    if not name:
        raise _not_a_caller_arn(caller_arn)
    if kind == "assumed-role":
        return _assumed_role(partition, account_id, name)
    if kind == "user":
        arn = f"arn:{partition}:iam::{account_id}:user/{name}"
        return Principal(PrincipalKind.USER, arn, partition, account_id, name.rpartition("/")[2])
    if kind == "federated-user":
        note = "its permissions are those common to its session policy and the user who opened the session"
        return Principal(PrincipalKind.FEDERATED_USER, caller_arn, partition, account_id, name, name, note)
    raise _not_a_caller_arn(caller_arn)


def _assumed_role(partition: str, account_id: str, role_and_session: str) -> Principal:
    name, _, session = role_and_session.partition("/")
    if name.startswith(_SSO_PREFIX):
        path = f"{_SSO_PATH}/{name}"
        note = "a role of IAM Identity Center; its path may also name the Region of Identity Center"
    else:
        path = name
        note = "the caller's ARN does not show the role's path"
    arn = f"arn:{partition}:iam::{account_id}:role/{path}"
    return Principal(PrincipalKind.ROLE, arn, partition, account_id, name, session, note)


def _not_a_caller_arn(text: str) -> ConfigurationError:
    why = "sts:GetCallerIdentity answers the ARN of a role, a user or the root"
    return ConfigurationError(f"{text[:80]!r} is no caller's ARN", why)
