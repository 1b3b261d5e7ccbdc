"""The golden cases: ``golden/*.yaml``, each file from one page of AWS's documentation.

A case overrides the file's ``defaults`` and, if it follows another page, its ``page``. ``allow`` and ``deny`` are short
for statements about everything; ``if`` is the condition of an allow of everything, and ``deny_if`` that of a deny added
to an allow. ``identity`` and the levels of ``scp`` and ``rcp`` are lists of statements, or of policies; ``known`` holds
keys of the principal, ``context`` keys of the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cloudops_nb.iam import Evaluator, Policy, Principal, PrincipalKind, PrincipalPolicies, Unreadable, acting_principal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(__file__).parent / "golden"
ACCOUNT = "123456789012"
ALLOW = {"Effect": "Allow", "Action": "*", "Resource": "*"}
DENY = {"Effect": "Deny", "Action": "*", "Resource": "*"}
STATEMENTS = {
    "allow": ALLOW,
    "deny": DENY,
    "allow_all": {**ALLOW, "Principal": "*"},
    "deny_all": {**DENY, "Principal": "*"},
}
PRINCIPALS = {
    "user": f"arn:aws:iam::{ACCOUNT}:user/bob",
    "root": f"arn:aws:iam::{ACCOUNT}:root",
    "role": f"arn:aws:iam::{ACCOUNT}:role/Ops",
    "federated": f"arn:aws:sts::{ACCOUNT}:federated-user/carol",
}
DEFAULTS: Mapping[str, Any] = {
    "principal": "user",
    "session_name": "alice",
    "tags": {},
    "version": "2012-10-17",
    "action": "sns:SetTopicAttributes",
    "arn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:alerts",
    "account": ACCOUNT,
    "region": "eu-west-1",
    "resource_tags": {},
    "identity": [],
    "boundary": None,
    "session": None,
    "scp": None,
    "rcp": None,
    "resource_policy": None,
    "known": {},
    "context": {},
    "by": "",
}


@dataclass(frozen=True)
class Case:
    """One request and the verdict that AWS's documentation gives."""

    topic: str
    name: str
    page: str
    data: Mapping[str, Any]

    def evaluator(self, *, remember: bool = True) -> Evaluator:
        return Evaluator(self.policies(), remember=remember)

    def request(self) -> dict[str, Any]:
        """Return the arguments of the evaluator, except the action."""
        data = self.data
        return {
            "resource_arn": data["arn"],
            "account_id": data["account"],
            "region": data["region"],
            "tags": data["resource_tags"],
            "resource_policy": self._policy("resource_policy", "the resource's policy"),
            "context": data["context"],
        }

    def policies(self) -> PrincipalPolicies:
        session = self._policy("session", "Session")
        return PrincipalPolicies(
            principal=_principal(self.data["principal"], self.data["session_name"]),
            tags=self.data["tags"],
            identity=self._identity(),
            boundary=self._policy("boundary", "Boundary"),
            service_control=self._levels("scp"),
            resource_control=self._levels("rcp"),
            session=None if session is None else _listed(session),
            known_context=self.data["known"],
        )

    def _identity(self) -> Any:
        found = self.data["identity"]
        several = isinstance(found, list) and any(isinstance(one, list) for one in found)
        return self._level(found, "Identity") if several else _listed(self._policy("identity", "Identity"))

    def _levels(self, key: str) -> Any:
        levels = self.data[key]
        if levels is None:
            return None
        if isinstance(levels, dict):
            return Unreadable(levels["unreadable"])
        return [self._level(level, key) for level in levels]

    def _level(self, level: Any, key: str) -> list[Policy | Unreadable]:
        policies = level if any(isinstance(one, list) for one in level) else [level]  # of statements
        return [self._compiled(policy, f"{key}-{number}") for number, policy in enumerate(policies, 1)]

    def _policy(self, key: str, name: str) -> Any:
        return None if self.data[key] is None else self._compiled(self.data[key], name)

    def _compiled(self, statements: Any, name: str) -> Policy | Unreadable:
        if isinstance(statements, dict):
            return Unreadable(statements["unreadable"])
        listed = [STATEMENTS[one] if isinstance(one, str) else one for one in statements]
        version = self.data["version"]
        return Policy.parse({**({"Version": version} if version else {}), "Statement": listed}, name=name)


def cases() -> Iterator[Case]:
    """Yield every golden case."""
    for path in sorted(FOLDER.glob("*.yaml")):
        file = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
        for row in file["cases"]:
            data = {**DEFAULTS, **file.get("defaults", {}), **row}
            if "if" in data:
                data["identity"] = [{**ALLOW, "Condition": data["if"]}]
            if "deny_if" in data:
                data["identity"] = [ALLOW, {**DENY, "Condition": data["deny_if"]}]
            yield Case(path.stem, row["name"], row.get("page", file["page"]), data)


def _listed(policy: Policy | Unreadable) -> Any:
    return policy if isinstance(policy, Unreadable) else [policy]


def _principal(who: str, session: str) -> Principal:
    if who == "unknown":
        return Principal(PrincipalKind.ROLE, "", "aws", ACCOUNT, "")
    arn = PRINCIPALS.get(who, who)
    if ":role/" not in arn:
        return acting_principal(arn)
    return Principal(PrincipalKind.ROLE, arn, "aws", ACCOUNT, arn.rpartition("/")[2], session)
