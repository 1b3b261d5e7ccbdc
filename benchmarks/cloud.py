"""A made-up AWS with the estate of a mid-sized company: how many of what lie where, and what they are called.

Answers come after the round trip to their region and the service's own time, which are really waited for, and calls
that come faster than AWS documents to allow are refused.
"""

from __future__ import annotations

import copy
import json
import math
import threading
import time
from functools import cache, cached_property
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.estate import resources
from cloudops_nb.aws.regions import default_regions
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws import Call, DocumentedBuckets, EstateOfSpecs, Latency, Listing, SyntheticAws
from tests.synthetic_aws.models import operation_model, paging
from tests.synthetic_aws.samples import ACCOUNT, NUMBER, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloudops_nb.model import Resource

POLICIES = Path(__file__).with_name("iam_policies.yaml")

ACCOUNTS = {"111122223333": 50, "444455556666": 30, "123456789012": 20}
REGIONS = tuple(default_regions("aws"))
#: Of a hundred resources, how many lie in each region; the rest share what is left.
CROWDED = {"eu-west-1": 34, "us-east-1": 22, "eu-central-1": 12, "ap-southeast-2": 8, "us-west-2": 6, "sa-east-1": 4}
SEED = {"rds_instance": 150, "s3_bucket": 430, "lambda_function": 85, "elbv2_load_balancer": 22}
INSTANCES = 2_500
#: Members of a fleet: all alike but for their ids and the numbers in their names.
FLEET = 5
#: Of so many kinds are those of one place at the most; beyond, fleets are larger.
KINDS = 100


class Cloud:
    """The seed estate: three accounts in seventeen regions, and so many virtual machines.

    Args:
        instances: How many virtual machines there are.
        latency: Whether answers take time.

    Attributes:
        answering: CPU seconds that making answers took, which a real AWS would not take from this process.
    """

    def __init__(self, instances: int = INSTANCES, *, latency: bool = True) -> None:
        self.counts = {"ec2_instance": instances, **SEED}
        self.answering = 0.0
        self.specs = bundled_specs()
        self._samples = EstateOfSpecs(self.specs, regions=REGIONS, count=0)
        self._listings: dict[tuple[str, ...], Listing] = {}
        self._lock = threading.Lock()
        self._latency = Latency()
        self._buckets = DocumentedBuckets()
        self.aws = SyntheticAws(
            {("*", "*", *what): answer for what, answer in self._answers().items()},
            otherwise=self._samples,
            accounts=list(ACCOUNTS),
            regions=REGIONS,
            latency=self._latency if latency else None,
            buckets=self._buckets if latency else None,
        )

    @property
    def resources(self) -> int:
        """How many resources there are."""
        return sum(self.counts.values())

    def events(self) -> dict[str, Callable[..., Any]]:
        """Return the handlers of botocore events by name; what they take is counted in :attr:`answering`."""
        return {name: self._counted(handler) for name, handler in self.aws.events().items()}

    def prepare(self, *, every_type: bool = False) -> None:
        """Read what answers are made from, and write every item once, which takes longer than writing it again.

        Args:
            every_type: Whether to have what the lists of types are like of which there is nothing.
        """
        for service, operation in (*self._answers(), *_ENTRY):
            paging(service, operation)
            operation_model(service, operation)
        for spec in self.specs:
            if every_type:
                self.aws.real(Call(next(iter(ACCOUNTS)), "us-east-1", spec.service, spec.list.operation, {}))
            if spec.resource_type in self.counts:
                regions = ["us-east-1"] if spec.scope == "account" else REGIONS
                pages = paging(spec.service, spec.list.operation)
                assert pages, f"{spec.resource_type} is listed in one piece"
                for account, region in product(ACCOUNTS, regions):
                    given = {pages.limit: spec.list.page_size}
                    self.aws.prepare(Call(account, region, spec.service, spec.list.operation, given))

    def network_seconds(self, threads: int) -> float:
        """Return what the calls made so far take at the least, if ``threads`` of them are under way at any time.

        The way into the accounts comes first. Then nothing is faster than all calls on all threads, the pages of the
        longest listing, and what AWS lets pass.
        """
        lists = {(spec.service, spec.list.operation) for spec in self.specs if spec.resource_type in self.counts}
        entry, work, longest = 0.0, 0.0, 0.0
        for (_, region, *what), number in self.aws.calls.items():
            seconds = self._latency.seconds(region)
            if tuple(what) in _ENTRY:
                entry += number * seconds / len(ACCOUNTS)
                continue
            work += number * seconds
            if tuple(what) in lists:
                longest = max(longest, number * seconds)
        return entry + max(work / threads, longest, self._buckets.least_seconds(self.aws.calls))

    def _counted(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        def counted(**keywords: Any) -> Any:
            started = time.thread_time()
            try:
                return handler(**keywords)
            finally:
                seconds = time.thread_time() - started
                with self._lock:
                    self.answering += seconds

        return counted

    def _answers(self) -> Mapping[tuple[str, str], Callable[[Call], Any]]:
        return {
            ("ec2", "DescribeInstances"): lambda call: self._listing("ec2_instance", call),
            ("rds", "DescribeDBInstances"): lambda call: self._listing("rds_instance", call),
            ("lambda", "ListFunctions"): lambda call: self._listing("lambda_function", call),
            ("elbv2", "DescribeLoadBalancers"): lambda call: self._listing("elbv2_load_balancer", call),
            ("s3", "ListBuckets"): lambda call: self._listing("s3_bucket", call),
            ("s3", "GetBucketTagging"): self._bucket_tags,
            **dict.fromkeys(_SAMPLED, lambda _: None),
            ("iam", "GetRole"): lambda _: {"Role": _declared()["role"]},
            ("iam", "ListAttachedRolePolicies"): lambda _: (),
            ("iam", "ListRolePolicies"): lambda _: _policy_names(),
            ("iam", "GetRolePolicy"): _role_policy,
            ("organizations", "DescribeOrganization"): lambda _: {"Organization": _declared()["organization"]},
        }

    def _listing(self, kind: str, call: Call) -> Listing:
        region = "" if kind == "s3_bucket" else call.region
        key = (kind, call.account, region)
        if key not in self._listings:
            count = self._shares(kind)[call.account, region]
            named = self._named[kind]
            (spec,) = (each for each in self.specs if each.resource_type == kind)
            templates = self._samples.templates(spec)
            kinds = min(max(1, math.ceil(count / FLEET)), KINDS)
            begun = sum(len(each.templates) for other, each in self._listings.items() if other[0] == kind)
            dressed = [
                _dressed(kind, templates[at % len(templates)], named[(begun + at) % len(named)]) for at in range(kinds)
            ]
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


#: Details that are answered with a sample of their shape.
_SAMPLED = (
    ("s3", "GetPublicAccessBlock"),
    ("s3", "GetBucketVersioning"),
    ("s3", "GetBucketPolicy"),
    ("lambda", "GetPolicy"),
    ("elbv2", "DescribeLoadBalancerAttributes"),
)
#: The calls by which a session gets in and learns where it is, one after the other.
_ENTRY = {("sts", "AssumeRole"), ("sts", "GetCallerIdentity"), ("ec2", "DescribeRegions")}


@cache
def _declared() -> Mapping[str, Any]:
    declared: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    return declared


@cache
def _policies() -> Mapping[str, Any]:
    policies: Mapping[str, Any] = yaml.safe_load(POLICIES.read_text("utf-8"))["identity"]
    return policies


@cache
def _policy_names() -> Sequence[str]:
    return list(_policies())


def _role_policy(call: Call) -> Mapping[str, Any]:
    name = call.parameters["PolicyName"]
    document = json.dumps({"Version": "2012-10-17", "Statement": _policies()[name]})
    return {"RoleName": call.parameters["RoleName"], "PolicyName": name, "PolicyDocument": document}


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _dressed(kind: str, template: Any, like: Resource) -> Any:
    """Return a member of a list answer that is called, tagged and in the state as another resource is."""
    made = copy.deepcopy(template)
    name = f"{like.name}-{NUMBER}"
    place = f"{REGION}:{ACCOUNT}"
    match kind:
        case "ec2_instance":
            state = {"State": {"Code": 16, "Name": like.state}, "InstanceType": like.metadata["instance_class"]}
            tags = {"Tags": _pairs({**like.tags, "Name": name})}
            made["Instances"] = [{**_declared()["ec2_instance"], **state, **tags}]
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
