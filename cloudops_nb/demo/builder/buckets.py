"""Creates S3 buckets with the declared versioning, encryption, public access and objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudops_nb.demo.builder.workbench import Workbench
    from cloudops_nb.demo.company import Entry

#: The only region in which S3 rejects a location constraint.
HOME_REGION = "us-east-1"


def build_buckets(bench: Workbench) -> None:
    """Create the buckets of a place (an account in a region)."""
    for entry in bench.entries("buckets"):
        _build_bucket(bench, entry)


def _build_bucket(bench: Workbench, entry: Entry) -> None:
    s3, name = bench.client("s3"), entry["name"]
    if bench.region == HOME_REGION:
        s3.create_bucket(Bucket=name)
    else:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": bench.region})
    if tags := bench.tag_list(entry):
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    if entry.get("versioned"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    if entry.get("encrypted"):
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    _set_access(bench, entry)
    for key in entry.get("objects", ()):
        s3.put_object(Bucket=name, Key=key, Body=f"{name}/{key}".encode())


def _set_access(bench: Workbench, entry: Entry) -> None:
    """Allow public reads by a policy if the entry is ``public``; else block public access unless it is ``untagged``.

    An untagged bucket represents a leftover that was never configured.
    """
    s3, name = bench.client("s3"), entry["name"]
    if entry.get("public"):
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{name}/*",
        }
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    elif not entry.get("untagged"):
        names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(names, True))
