"""The driver's side of the simulated AWS: it makes resources, puts them back, and reads the ledger."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.request import Request, urlopen

from botocore.session import Session

from cloudops_nb.model import Constraint, Constraints, IamPermissions, Resource, Ternary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
ACCOUNT_ID, REGION = "123456789012", "eu-central-1"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_YES = Constraint(Ternary.TRUE)
_PATIENCE = 30.0


@contextmanager
def simulated_aws() -> Iterator[Aws]:
    """Start the simulated AWS, and let the environment of this process point to it."""
    command = [sys.executable, "-m", "tests.plan_crash.cloud"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin
        assert process.stdout
        endpoint = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        with patch.dict(os.environ, {**_ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}):
            yield Aws(endpoint)
        process.stdin.close()


class Aws:
    """Makes the resources of plans, and says which changing calls were received since they were put back."""

    def __init__(self, endpoint: str) -> None:
        session = Session()
        self._endpoint = endpoint
        self._ec2: Any = session.create_client("ec2", region_name=REGION, endpoint_url=endpoint)
        self._rds: Any = session.create_client("rds", region_name=REGION, endpoint_url=endpoint)

    def instances(self, count: int) -> list[Resource]:
        """Return running instances."""
        made = self._ec2.run_instances(ImageId="ami-12c6146b", MinCount=count, MaxCount=count)["Instances"]
        return [_resource("ec2_instance", each["InstanceId"], "instance/", "running") for each in made]

    def databases(self, names: Sequence[str]) -> list[Resource]:
        """Return available databases."""
        for name in names:
            self._rds.create_db_instance(
                DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=20,
                MasterUsername="operator", ManageMasterUserPassword=True,
            )  # fmt: skip
        return [_resource("rds_instance", name, "db:", "available") for name in names]

    def put_back(self, resources: Sequence[Resource]) -> None:
        """Start what is stopped, remove the tags of instances, and empty the ledger."""
        for resource in resources:
            arrived = "running" if resource.service == "ec2" else "available"
            deadline = time.monotonic() + _PATIENCE
            while (state := self._state(resource)) != arrived:
                assert time.monotonic() < deadline, f"{resource.identifier} stays {state}"
                if state == "stopped":
                    self._start(resource)
                time.sleep(0.005)
            if resource.service == "ec2":
                self._ec2.delete_tags(Resources=[resource.identifier])
        self._ledger("DELETE")

    def changes(self) -> Counter[str]:
        """Return the changing calls that were received since the resources were put back."""
        return Counter(self._ledger("GET"))

    def _state(self, resource: Resource) -> str:
        if resource.service == "ec2":
            found = self._ec2.describe_instances(InstanceIds=[resource.identifier])
            return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])
        found = self._rds.describe_db_instances(DBInstanceIdentifier=resource.identifier)
        return str(found["DBInstances"][0]["DBInstanceStatus"])

    def _start(self, resource: Resource) -> None:
        if resource.service == "ec2":
            self._ec2.start_instances(InstanceIds=[resource.identifier])
        else:
            self._rds.start_db_instance(DBInstanceIdentifier=resource.identifier)

    def _ledger(self, method: str) -> list[str]:
        with urlopen(Request(f"{self._endpoint}/ledger", method=method)) as answer:  # noqa: S310 - our own server
            keys: list[str] = json.load(answer)
        return keys


def _resource(kind: str, identifier: str, prefix: str, state: str) -> Resource:
    service = kind.partition("_")[0]
    arn = f"arn:aws:{service}:{REGION}:{ACCOUNT_ID}:{prefix}{identifier}"
    return Resource(
        kind, identifier, ACCOUNT_ID, REGION, service, arn, identifier, state, "dev",
        iam=IamPermissions(allowed=("rds:StopDBInstance",)),
        constraints=Constraints(can_start=_YES, can_stop=_YES, can_delete=_YES),
    )  # fmt: skip
