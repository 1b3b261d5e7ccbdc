"""A made-up AWS with the estate of a mid-sized company: how many of what lie where, and what they are called.

Answers come after the round trip to their region and the service's own time, which are really waited for, and calls
that come faster than AWS documents to allow are refused.
"""

from __future__ import annotations

import copy
import math
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from benchmarks.estate import resources
from cloudops_nb.scanner import bundled_specs
from cloudops_nb.scanner.regions import default_regions
from tests.synthetic_aws import DocumentedBuckets, EstateOfSpecs, Latency, Listing, SyntheticAws
from tests.synthetic_aws.samples import ACCOUNT, NUMBER, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.model import Resource
    from tests.synthetic_aws import Call

ACCOUNTS = {"111122223333": 50, "444455556666": 30, "123456789012": 20}
REGIONS = tuple(default_regions("aws"))
#: Of a hundred resources, how many lie in each region; the rest share what is left.
CROWDED = {"eu-west-1": 34, "us-east-1": 22, "eu-central-1": 12, "ap-southeast-2": 8, "us-west-2": 6, "sa-east-1": 4}
SEED = {"rds_instance": 150, "s3_bucket": 430, "lambda_function": 85, "elbv2_load_balancer": 22}
INSTANCES = 2_500
#: Members of a fleet: all alike but for their ids and the numbers in their names.
FLEET = 5


class Cloud:
    """The seed estate: three accounts in seventeen regions, and so many virtual machines.

    Args:
        instances: How many virtual machines there are.
        latency: Whether answers take time.
    """

    def __init__(self, instances: int = INSTANCES, *, latency: bool = True) -> None:
        self.counts = {"ec2_instance": instances, **SEED}
        self.specs = bundled_specs()
        self._samples = EstateOfSpecs(self.specs, regions=REGIONS, count=0)
        self._listings: dict[tuple[str, ...], Listing] = {}
        self.latency = Latency()
        self.aws = SyntheticAws(
            {("*", "*", *what): answer for what, answer in self._answers().items()},
            otherwise=self._samples,
            accounts=list(ACCOUNTS),
            regions=REGIONS,
            latency=self.latency if latency else None,
            buckets=DocumentedBuckets() if latency else None,
        )

    @property
    def resources(self) -> int:
        """How many resources there are."""
        return sum(self.counts.values())

    def _answers(self) -> Mapping[tuple[str, str], Callable[[Call], Any]]:
        return {
            ("ec2", "DescribeInstances"): lambda call: self._listing("ec2_instance", call),
            ("rds", "DescribeDBInstances"): lambda call: self._listing("rds_instance", call),
            ("lambda", "ListFunctions"): lambda call: self._listing("lambda_function", call),
            ("elbv2", "DescribeLoadBalancers"): lambda call: self._listing("elbv2_load_balancer", call),
            ("s3", "ListBuckets"): lambda call: self._listing("s3_bucket", call),
            ("s3", "GetBucketTagging"): self._bucket_tags,
        }

    def _listing(self, kind: str, call: Call) -> Listing:
        region = "" if kind == "s3_bucket" else call.region
        key = (kind, call.account, region)
        if key not in self._listings:
            count = self._shares(kind)[call.account, region]
            named = self._named[kind][sum(key[1:2] == each[1:2] for each in self._listings) :]
            (spec,) = (each for each in self.specs if each.resource_type == kind)
            templates = self._samples.templates(spec)
            kinds = max(1, math.ceil(count / FLEET))
            dressed = [_dressed(kind, templates[at % len(templates)], named[at % len(named)]) for at in range(kinds)]
            self._listings[key] = Listing(dressed, count)
        return self._listings[key]

    def _shares(self, kind: str) -> Mapping[tuple[str, str], int]:
        """Share a type's resources among the places, so that none is lost in rounding."""
        rest = (100 - sum(CROWDED.values())) / (len(REGIONS) - len(CROWDED))
        regions = {"": 100.0} if kind == "s3_bucket" else {name: CROWDED.get(name, rest) for name in REGIONS}
        weights = {
            (account, region): many * share / 10_000
            for account, many in ACCOUNTS.items()
            for region, share in regions.items()
        }
        shares, given, reached = {}, 0, 0.0
        for place, weight in weights.items():
            reached += weight * self.counts[kind]
            shares[place] = round(reached) - given
            given += shares[place]
        return shares

    @cached_property
    def _named(self) -> Mapping[str, Sequence[Resource]]:
        """What resources of each type are called, tagged and of what kind, in a company."""
        found: dict[str, list[Resource]] = {kind: [] for kind in self.counts}
        for resource in islice(resources(8_000), 8_000):
            if resource.resource_type in found:
                found[resource.resource_type].append(resource)
        return found

    def _bucket_tags(self, call: Call) -> Mapping[str, Any]:
        named = self._named["s3_bucket"]
        return {"TagSet": _pairs(named[sum(map(ord, call.parameters["Bucket"])) % len(named)].tags)}


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _dressed(kind: str, template: Any, like: Resource) -> Any:
    """Return a member of a list answer that is called, tagged and in the state as another resource is."""
    made = copy.deepcopy(template)
    name = f"{like.name}-{NUMBER}"
    place = f"{REGION}:{ACCOUNT}"
    match kind:
        case "ec2_instance":
            (instance,) = made["Instances"]
            instance |= {"State": {"Code": 16, "Name": like.state}, "InstanceType": like.metadata["instance_class"]}
            instance["Tags"] = _pairs({**like.tags, "Name": name})
        case "rds_instance":
            made |= {"DBInstanceIdentifier": name, "DBInstanceArn": f"arn:aws:rds:{place}:db:{name}"}
            made |= {"DBInstanceStatus": like.state, "Engine": like.metadata["engine"], "TagList": _pairs(like.tags)}
        case "s3_bucket":
            made["Name"] = f"{like.name}-{ACCOUNT}-{NUMBER}".lower()
        case "lambda_function":
            made |= {"FunctionName": name, "FunctionArn": f"arn:aws:lambda:{place}:function:{name}"}
        case _:
            made["LoadBalancerName"] = name
    return made
