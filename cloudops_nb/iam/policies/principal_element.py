"""The ``Principal`` and ``NotPrincipal`` elements: whom a statement of a resource's policy names, and how directly.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cloudops_nb.iam.principal import Principal, PrincipalKind
from cloudops_nb.iam.truth import Truth, every, negated, some, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACCOUNT = re.compile(r"\d{12}")
_UNIQUE_ID = re.compile(r"(A[A-Z]{2}A)[A-Z0-9]{12,}(:.*)?", re.DOTALL)
_UNIQUE_KINDS = {"AIDA": PrincipalKind.USER, "AROA": PrincipalKind.ROLE}
_ARN_PARTS = 6


class Named(Enum):
    """How a statement names whoever acts; that decides which other policies limit what it grants."""

    #: The user or the session itself, or everyone.
    DIRECTLY = "directly"
    #: The role of the session, or the user who opened it.
    BY_ROLE = "by role"
    #: The account, which leaves it to its own policies.
    BY_ACCOUNT = "by account"


@dataclass(frozen=True, slots=True)
class Reach:
    """For each way of naming whoever acts, whether a statement names them so."""

    directly: Truth
    by_role: Truth
    by_account: Truth

    @property
    def anyhow(self) -> Truth:
        """Whether it names them in any way."""
        return some((self.directly, self.by_role, self.by_account))


#: Of a statement without the element: it names nobody that can be told.
UNNAMED = Reach(*[unknown("a statement without a principal")] * 3)


@dataclass(frozen=True, slots=True)
class PrincipalElement:
    """The principals of a statement, each with its kind (``AWS``, ``Service`` …)."""

    entries: tuple[tuple[str, str], ...]
    opposite: bool = False

    def reach(self, principal: Principal, *, bounded: Truth) -> Reach:
        """Return how a statement names a principal.

        Args:
            principal: Whoever acts.
            bounded: Whether they have a permissions boundary: then ``NotPrincipal`` spares them by no name.
        """
        found: dict[Named, list[Truth]] = {how: [] for how in Named}
        for kind, text in self.entries:
            how, truth = _entry(kind, text, principal)
            found[how].append(truth)
        reach = Reach(*(some(found[how]) for how in Named))
        if not self.opposite:
            return reach
        excepted = every((self._excepted(reach, principal), negated(bounded)))
        return Reach(negated(excepted), by_role=False, by_account=False)

    def _excepted(self, reach: Reach, principal: Principal) -> Truth:
        """Return whether ``NotPrincipal`` spares a principal: that takes every name that AWS may look for."""
        if ("AWS", "*") in self.entries:
            return True
        named = reach.anyhow
        if named is not True:
            return named
        needed: Sequence[Truth] = {
            PrincipalKind.ROOT: (reach.by_account,),
            PrincipalKind.ROLE: (reach.directly, reach.by_role, reach.by_account),
        }.get(principal.kind, (reach.directly, reach.by_account))
        if all(each is True for each in needed):
            return True
        return unknown("NotPrincipal names whoever acts in part: their session, role or account is missing")


def _entry(kind: str, text: str, principal: Principal) -> tuple[Named, Truth]:
    if kind == "AWS":
        return _aws(text, principal)
    if kind == "CanonicalUser":
        return Named.BY_ACCOUNT, unknown("whose canonical id it names is not known")
    if kind == "Federated" and principal.kind is PrincipalKind.ROLE:
        return Named.DIRECTLY, unknown(f"whether {text} opened the session is not known")
    if kind not in ("Federated", "Service"):
        return Named.DIRECTLY, unknown(f"{kind[:40]!r} is no kind of principal that is known")
    # Services do not act through a person's credentials.
    return Named.DIRECTLY, False


def _aws(text: str, principal: Principal) -> tuple[Named, Truth]:
    if text == "*":
        return Named.DIRECTLY, True
    if _ACCOUNT.fullmatch(text):
        return Named.BY_ACCOUNT, text == principal.account_id
    unique = _UNIQUE_ID.fullmatch(text)
    if unique:
        how = Named.BY_ROLE if unique[1] == "AROA" and not unique[2] else Named.DIRECTLY
        possible = not principal.arn or _UNIQUE_KINDS.get(unique[1], principal.kind) is principal.kind
        return how, unknown(f"whose unique id {text[:40]} is, is not known") if possible else False
    parts = text.split(":", _ARN_PARTS - 1)
    if len(parts) != _ARN_PARTS or "*" in text or "?" in text:
        return Named.DIRECTLY, unknown(f"principal {text[:80]!r} has a form that is not known")
    if parts[1] != principal.partition or parts[4] != principal.account_id:
        return Named.DIRECTLY, False
    return _own_account(parts[2], parts[5], text, principal)


def _own_account(service: str, resource: str, arn: str, principal: Principal) -> tuple[Named, Truth]:
    """Return how an ARN of the principal's own account names it."""
    kind, _, name = resource.partition("/")
    if (service, resource) == ("iam", "root"):
        return Named.BY_ACCOUNT, True
    if (service, kind) == ("iam", "role"):
        return Named.BY_ROLE, _role(arn, name, principal)
    if (service, kind) == ("sts", "assumed-role"):
        return Named.DIRECTLY, _session(name, principal)
    if (service, kind) == ("iam", "user") and principal.kind is PrincipalKind.FEDERATED_USER:
        return Named.BY_ROLE, unknown("which user opened the session is not known")
    if not principal.arn:
        return Named.DIRECTLY, unknown("who acts is not known")
    return Named.DIRECTLY, arn == principal.arn


def _role(arn: str, name: str, principal: Principal) -> Truth:
    if not principal.arn:
        return unknown("who acts is not known")
    if principal.kind is not PrincipalKind.ROLE:
        return False
    if not principal.note:
        return arn == principal.arn
    # The path of the role is not known, only its name.
    alike = name.rpartition("/")[2] == principal.name
    return unknown("the path of the role that acts is not known") if alike else False


def _session(name: str, principal: Principal) -> Truth:
    if not principal.arn:
        return unknown("who acts is not known")
    role, _, session = name.partition("/")
    if principal.kind is not PrincipalKind.ROLE or role != principal.name:
        return False
    return session == principal.session if principal.session else unknown("the session's name is not known")
