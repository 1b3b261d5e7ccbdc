"""Principals with policies of every layer in the simulated AWS, each in an account of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Accounts that no other test uses, so that an organisation or a boundary there disturbs nobody.
OPERATIONS, MANAGEMENT, MEMBER = "777788889999", "444455556666", "555566667777"
VERSION = "2012-10-17"


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": VERSION, "Statement": list(statements)})


def allow(*actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def deny(*actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": list(actions), "Resource": resource, **more}


@dataclass
class Account:
    """Makes principals in one account of the simulated AWS."""

    endpoint: str
    account_id: str
    keys: Mapping[str, Any]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: Any) -> Any:  # the stubs ask for a literal
        if service not in self._clients:
            arn = f"arn:aws:iam::{self.account_id}:role/Builder"
            sts = boto3.client("sts", region_name="us-east-1", endpoint_url=self.endpoint, **self.keys)
            token = sts.assume_role(RoleArn=arn, RoleSessionName="builder")["Credentials"]
            session = boto3.Session(token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"], "us-east-1")
            self._clients[service] = session.client(service, endpoint_url=self.endpoint)
        return self._clients[service]

    def policy(self, name: str, *statements: Mapping[str, Any]) -> str:
        arn: str = self.client("iam").create_policy(PolicyName=name, PolicyDocument=document(*statements))["Policy"][
            "Arn"
        ]
        return arn

    def role(
        self,
        name: str,
        *,
        path: str = "/",
        attached: Sequence[str] = (),
        inline: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        boundary: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        iam = self.client("iam")
        more = {"PermissionsBoundary": boundary} if boundary else {}
        listed = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
        role = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document(), Tags=listed, **more)
        for policy_arn in attached:
            iam.attach_role_policy(RoleName=name, PolicyArn=policy_arn)
        for policy, statements in (inline or {}).items():
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=document(*statements))
        arn: str = role["Role"]["Arn"]
        return arn

    def user(self, name: str, *, groups: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
        """Make a user in groups that have one inline policy each; return the user's keys as a profile names them."""
        iam = self.client("iam")
        iam.create_user(UserName=name, Path="/people/")
        for group, statement in groups.items():
            iam.create_group(GroupName=group)
            iam.put_group_policy(GroupName=group, PolicyName=f"{group}-inline", PolicyDocument=document(statement))
            iam.add_user_to_group(GroupName=group, UserName=name)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
