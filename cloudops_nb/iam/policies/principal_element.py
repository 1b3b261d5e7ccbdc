"""The ``Principal`` and ``NotPrincipal`` elements: if and how a statement names the acting principal.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cloudops_nb.iam.principal import ARN_PARTS, Principal, PrincipalKind
from cloudops_nb.iam.truth import Truth, all_hold, any_holds, negated, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACCOUNT = re.compile(r"\d{12}")
_UNIQUE_ID = re.compile(r"(A[A-Z]{2}A)[A-Z0-9]{12,}(:.*)?", re.DOTALL)
#: The kind of principal, by the first four characters of its unique ID.
_UNIQUE_KINDS = {"AIDA": PrincipalKind.USER, "AROA": PrincipalKind.ROLE}


class Naming(Enum):
    """How a statement names the acting principal.

    The way of naming decides which other policies limit what the statement allows.
    """

    #: The statement names the user or the session itself, or everyone.
    DIRECTLY = "directly"
    #: The statement names the role of the session, or the user who opened the session.
    BY_ROLE = "by role"
    #: The statement names the account. The identity policies of the principal then decide.
    BY_ACCOUNT = "by account"


@dataclass(frozen=True, slots=True)
class PrincipalMatch:
    """For each way of naming, whether a statement names the acting principal in this way."""

    directly: Truth
    by_role: Truth
    by_account: Truth

    @property
    def in_any_way(self) -> Truth:
        """Whether the statement names the principal in any way."""
        return any_holds((self.directly, self.by_role, self.by_account))


#: The match of a statement without ``Principal`` and ``NotPrincipal``: unknown for each way of naming.
NO_PRINCIPAL_ELEMENT = PrincipalMatch(*[unknown("the statement has no Principal element")] * 3)


@dataclass(frozen=True, slots=True)
class PrincipalElement:
    """The principals that a statement lists.

    Attributes:
        entries: A pair of type (``AWS``, ``Service`` …) and value for each listed principal.
        opposite: True for ``NotPrincipal``.
    """

    entries: tuple[tuple[str, str], ...]
    opposite: bool = False

    def match(self, principal: Principal, *, has_boundary: Truth) -> PrincipalMatch:
        """Return whether the element names the acting principal, for each way of naming.

        Args:
            principal: The acting principal.
            has_boundary: Whether the principal has a permissions boundary; ``NotPrincipal`` then never excepts it.
        """
        found: dict[Naming, list[Truth]] = {how: [] for how in Naming}
        for kind, text in self.entries:
            how, truth = _match_entry(kind, text, principal)
            found[how].append(truth)
        match = PrincipalMatch(*(any_holds(found[how]) for how in Naming))
        if not self.opposite:
            return match
        excepted = all_hold((self._is_excepted(match, principal), negated(has_boundary)))
        return PrincipalMatch(negated(excepted), by_role=False, by_account=False)

    def _is_excepted(self, match: PrincipalMatch, principal: Principal) -> Truth:
        """Return whether ``NotPrincipal`` excepts the acting principal.

        Unless the element lists ``*``, it must list the account. For a user it must also list the user itself, and for
        a role also the role and the session.
        """
        if ("AWS", "*") in self.entries:
            return True
        named = match.in_any_way
        if named is not True:
            return named
        needed: Sequence[Truth] = {
            PrincipalKind.ROOT: (match.by_account,),
            PrincipalKind.ROLE: (match.directly, match.by_role, match.by_account),
        }.get(principal.kind, (match.directly, match.by_account))
        if all(each is True for each in needed):
            return True
        return unknown("NotPrincipal names the principal only in part: its session, role or account is missing")


def _match_entry(kind: str, text: str, principal: Principal) -> tuple[Naming, Truth]:
    if kind == "AWS":
        return _match_aws_entry(text, principal)
    if kind == "CanonicalUser":
        return Naming.BY_ACCOUNT, unknown("which account has the canonical user ID is not known")
    if kind == "Federated" and principal.kind is PrincipalKind.ROLE:
        return Naming.DIRECTLY, unknown(f"whether {text} opened the session is not known")
    if kind not in ("Federated", "Service"):
        return Naming.DIRECTLY, unknown(f"the principal type {kind[:40]!r} is not known")
    # The acting principal is never a service, and a federated identity acts only as the session of a role.
    return Naming.DIRECTLY, False


def _match_aws_entry(text: str, principal: Principal) -> tuple[Naming, Truth]:
    if text == "*":
        return Naming.DIRECTLY, True
    if _ACCOUNT.fullmatch(text):
        return Naming.BY_ACCOUNT, text == principal.account_id
    unique = _UNIQUE_ID.fullmatch(text)
    if unique:
        how = Naming.BY_ROLE if unique[1] == "AROA" and not unique[2] else Naming.DIRECTLY
        possible = not principal.arn or _UNIQUE_KINDS.get(unique[1], principal.kind) is principal.kind
        return how, unknown(f"which identity has the unique ID {text[:40]} is not known") if possible else False
    parts = text.split(":", ARN_PARTS - 1)
    if len(parts) != ARN_PARTS or "*" in text or "?" in text:
        return Naming.DIRECTLY, unknown(f"the form of principal {text[:80]!r} is not known")
    if parts[1] != principal.partition or parts[4] != principal.account_id:
        return Naming.DIRECTLY, False
    return _match_own_account_arn(parts[2], parts[5], text, principal)


def _match_own_account_arn(service: str, resource: str, arn: str, principal: Principal) -> tuple[Naming, Truth]:
    """Return whether and how an ARN in the principal's own account names the principal."""
    kind, _, name = resource.partition("/")
    if (service, resource) == ("iam", "root"):
        return Naming.BY_ACCOUNT, True
    if (service, kind) == ("iam", "role"):
        return Naming.BY_ROLE, _is_acting_role(arn, name, principal)
    if (service, kind) == ("sts", "assumed-role"):
        return Naming.DIRECTLY, _is_acting_session(name, principal)
    if (service, kind) == ("iam", "user") and principal.kind is PrincipalKind.FEDERATED_USER:
        return Naming.BY_ROLE, unknown("which user opened the session is not known")
    if not principal.arn:
        return Naming.DIRECTLY, unknown("the acting principal is not known")
    return Naming.DIRECTLY, arn == principal.arn


def _is_acting_role(arn: str, name: str, principal: Principal) -> Truth:
    if not principal.arn:
        return unknown("the acting principal is not known")
    if principal.kind is not PrincipalKind.ROLE:
        return False
    if not principal.note:
        return arn == principal.arn
    same_name = name.rpartition("/")[2] == principal.name
    return unknown("the path of the acting role is not known") if same_name else False


def _is_acting_session(name: str, principal: Principal) -> Truth:
    if not principal.arn:
        return unknown("the acting principal is not known")
    role, _, session = name.partition("/")
    if principal.kind is not PrincipalKind.ROLE or role != principal.name:
        return False
    return session == principal.session if principal.session else unknown("the session's name is not known")
