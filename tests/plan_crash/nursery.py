"""Imported by the process from which the killed ones are forked, so that each begins with everything read."""

from cloudops_nb.aws import credentials
from tests.plan_crash import worker
from tests.synthetic_aws.models import loader

__all__ = ["worker"]

#: The operations that the plans use; a client of all of EC2's takes longer to make than a plan to run.
OPERATIONS = (
    "GetCallerIdentity",
    "DescribeInstances",
    "StopInstances",
    "CreateTags",
    "DescribeDBInstances",
    "StopDBInstance",
)

for service in ("sts", "ec2", "rds"):
    loader().load_service_model(service, "endpoint-rule-set-1")
    model = loader().load_service_model(service, "service-2")
    model["operations"] = {name: each for name, each in model["operations"].items() if name in OPERATIONS}
for name in ("data_loader", "plain_loader"):
    setattr(credentials, name, loader)
