"""Finds the whole identity of the resource that a relation points to: its type, account, region, identifier and ARN.

AWS names the other resource by its ARN, by an id that EC2 made, which no other resource has, or by a name that is
unique in an account and region only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from cloudops_nb.aws.regions import GLOBAL
from cloudops_nb.declarations.selectors import select
from cloudops_nb.declarations.tables import bundled_table
from cloudops_nb.model import Relation, normal_dns_name
from cloudops_nb.specs.files import bundled_specs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudops_nb.specs.model import RelationPath, ResourceSpec

_ARN_PARTS = 6
_FIELD = re.compile(r"\w+")
#: Types whose resources DNS records and origins name by the DNS name that AWS gave them.
_NAMED_BY_DNS = frozenset(
    {"cloudfront_distribution", "elb_load_balancer", "elbv2_load_balancer", "globalaccelerator_accelerator"}
    | {"rds_instance", "rds_cluster"}
)
_AWS_DNS = re.compile(r"\.(?:amazonaws\.com(?:\.cn)?|cloudfront\.net|awsglobalaccelerator\.com)\.?$", re.IGNORECASE)
_ALIAS = re.compile(r"(?:^|:)alias/")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource is; ``region`` is ``global`` for a resource without a region."""

    account_id: str
    region: str


def relation_target(path: RelationPath, value: str, place: Place) -> Relation:
    """Return the relation of a resource in a place to the resource that ``value`` names.

    A field of the result is empty if AWS does not say it and the identifier is unique without it.

    Args:
        path: The declaration of the relation.
        value: An ARN, an id or a name, as AWS answered it.
        place: The place of the resource that has the relation.
    """
    kind = path.resource_type
    # Where an API takes a key, it also takes an alias, which is a resource of its own.
    if kind == "kms_key" and _ALIAS.search(value):
        kind = "kms_alias"
    spec = _specs().get(kind)
    parts = value.split(":", _ARN_PARTS - 1)
    if parts[0] == "arn" and len(parts) == _ARN_PARTS:
        arn = _without_more(kind, value)
        return Relation(path.kind, kind, _identifier(spec, arn), parts[4], parts[3] or _region(spec, ""), arn)
    if kind == "s3_bucket":
        # A DNS record that stands for a website has the name of the bucket, with a dot at the end.
        value = value.rstrip(".")
    if kind in _NAMED_BY_DNS and _AWS_DNS.search(value):
        return Relation(path.kind, kind, normal_dns_name(value))
    account_id = "" if spec is None or _is_unique(spec) else place.account_id
    # A resource without a region can only mean one of its own kind, or say the region by an ARN.
    region = _region(spec, "" if place.region == GLOBAL else place.region)
    return Relation(path.kind, kind, value, account_id, region)


@cache
def _specs() -> Mapping[str, ResourceSpec]:
    return {spec.resource_type: spec for spec in bundled_specs()}


def _region(spec: ResourceSpec | None, region: str) -> str:
    """Return the region of a resource of a type that was named without one, given the region of the other resource."""
    if spec is None or spec.scope == "regional":
        return region
    return GLOBAL if spec.scope == "global" else ""


def _is_unique(spec: ResourceSpec) -> bool:
    """Return whether no two resources of a type have the same identifier, in whatever account they are.

    EC2 makes such ids, and accounts share subnets, security groups and images by them. All buckets share one namespace.
    """
    return spec.resource_type == "s3_bucket" or (spec.service == "ec2" and spec.identifier.endswith("Id"))


def _without_more(kind: str, arn: str) -> str:
    """Return the ARN of a resource, given one that may go on with a version, an alias, a stream or a prefix."""
    pattern = bundled_table(__package__, "longer_arns.yaml").get(kind)
    found = re.match(pattern, arn) if pattern else None
    return found[0] if found else arn


def _identifier(spec: ResourceSpec | None, arn: str) -> str:
    """Return the identifier in an ARN, in the form in which resources of the type have it."""
    if spec is None:
        return arn
    if spec.arn and _FIELD.fullmatch(spec.arn):
        found = select(spec.identifier, {spec.arn: arn})
        if isinstance(found, str) and found:
            return found
    if spec.arn_template and "{identifier}" in spec.arn_template:
        before = re.sub(r"\\\{\w+\\\}", "[^:]*", re.escape(spec.arn_template.partition("{identifier}")[0]))
        if found_before := re.match(before, arn):
            return arn[found_before.end() :]
    return re.split(r"[/:]", arn)[-1]
