"""Stands in for verdicts where a test looks at none."""

from __future__ import annotations

from typing import Any

from cloudops_nb.iam.principal import Principal, PrincipalKind
from cloudops_nb.iam.principals.principal_policies import PrincipalPolicies
from cloudops_nb.model import IamPermissions
from cloudops_nb.scanner.policies.verdicts import AccountVerdicts


class Unjudged(AccountVerdicts):
    """Says nothing about any action."""

    def __init__(self) -> None:
        principal = Principal(PrincipalKind.ROLE, "", "aws", "123456789012", "Scan")
        super().__init__(lambda: PrincipalPolicies(principal, None, ()))

    def permissions(self, *_: Any, **__: Any) -> IamPermissions:
        return IamPermissions()
