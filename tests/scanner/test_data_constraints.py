"""What the specs of the data services say can be done to a resource, and where its links lead."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cloudops_nb.model import Account, Resource, Ternary
from cloudops_nb.scanner.reading.resource_builder import ListedItem, ListingContext, build_resource
from cloudops_nb.specs.files import bundled_specs
from tests.scanner.unjudged import Unjudged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.fast

VERBS = ("can_start", "can_stop", "can_delete")
VALUES = {True: Ternary.TRUE, False: Ternary.FALSE, "unknown": Ternary.UNKNOWN}
KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def _cases() -> Iterator[tuple[str, str, Mapping[str, Any], str, Ternary, list[str]]]:
    text = Path(__file__).with_name("data_constraints.yaml").read_text(encoding="utf-8")
    for resource_type, cases in yaml.safe_load(text).items():
        for number, case in enumerate(cases):
            for verb in VERBS:
                if verb in case:
                    value, *words = case[verb] if isinstance(case[verb], list) else [case[verb]]
                    name = f"{resource_type} {number} {verb}"
                    yield name, resource_type, case["item"], verb, VALUES[value], words


def _built(resource_type: str, data: Mapping[str, Any], unread: Mapping[str, str] | None = None) -> Resource:
    (spec,) = (spec for spec in bundled_specs() if spec.resource_type == resource_type)
    around = ListingContext(Account("prod", "123456789012"), "aws", "eu-west-1", Unjudged(), datetime.now(UTC))
    return build_resource(spec, ListedItem(data, unread or {}), around)


def _links(resource: Resource) -> set[tuple[str, str, str]]:
    return {(link.kind, link.resource_type, link.identifier) for link in resource.relations}


def test_constraints_say_what_aws_documents() -> None:
    wrong = {}
    for name, resource_type, item, verb, value, words in _cases():
        constraint = getattr(_built(resource_type, item).constraints, verb)
        if constraint.value is not value or not all(word in constraint.reason for word in words):
            wrong[name] = f"{constraint.value} because {constraint.reason!r}, not {value} {words}"
    assert wrong == {}
    assert len(list(_cases())) > 100


def test_what_was_not_read_leaves_deletion_unknown() -> None:
    protected = _built("emr_cluster", {"Status": {"State": "WAITING"}}, {"answer": "AccessDenied"})
    assert protected.constraints.can_delete.value is Ternary.UNKNOWN
    replicated = _built("efs_file_system", {"NumberOfMountTargets": 0}, {"replication": "not asked for"})
    assert replicated.constraints.can_delete.value is Ternary.UNKNOWN


@pytest.mark.parametrize(
    ("engine", "resource_type"),
    [("aurora-mysql", "rds_cluster"), ("docdb", "docdb_cluster"), ("neptune", "neptune_cluster")],
)
def test_a_cluster_snapshot_leads_to_the_cluster_of_its_engine(engine: str, resource_type: str) -> None:
    snapshot = _built("rds_cluster_snapshot", {"Engine": engine, "DBClusterIdentifier": "main"})
    assert _links(snapshot) == {("snapshot_of", resource_type, "main")}


def test_a_proxy_leads_to_the_databases_behind_it() -> None:
    targets = [
        {"Type": "RDS_INSTANCE", "RdsResourceId": "orders-1", "TrackedClusterId": "orders"},
        {"Type": "TRACKED_CLUSTER", "RdsResourceId": "orders"},
    ]
    proxy = _built("rds_proxy", {"DBProxyName": "p", "targets": {"Targets": targets}})
    assert _links(proxy) == {("proxies", "rds_instance", "orders-1"), ("proxies", "rds_cluster", "orders")}


@pytest.mark.parametrize(
    ("key", "links"),
    [
        (KEY_ARN, {("encrypted_with", "kms_key", KEY_ARN.rpartition("/")[2])}),
        ("alias/aws/kinesis", {("encrypted_with", "kms_alias", "alias/aws/kinesis")}),
        (None, set()),
    ],
)
def test_an_alias_is_not_taken_for_a_key(key: str | None, links: set[tuple[str, str, str]]) -> None:
    summary = {"StreamDescriptionSummary": {"KeyId": key}}
    assert _links(_built("kinesis_stream", {"StreamName": "s", "summary": summary})) == links


def test_a_bucket_leads_to_its_own_keys_and_not_to_aliases() -> None:
    rules = [{"ApplyServerSideEncryptionByDefault": {"KMSMasterKeyID": key}} for key in (KEY_ARN, "alias/aws/s3")]
    data = {"Name": "b", "BucketRegion": "eu-west-1"}
    encrypted = _built("s3_bucket", {**data, "encryption": {"ServerSideEncryptionConfiguration": {"Rules": rules}}})
    assert _links(encrypted) == {("encrypted_with", "kms_key", KEY_ARN.rpartition("/")[2])}
    assert _links(_built("s3_bucket", data)) == set()


def test_several_zones_are_told_from_one() -> None:
    def spread(*zones: str) -> Any:
        nodes = [{"AvailabilityZone": zone} for zone in zones]
        return _built("dax_cluster", {"ClusterName": "c", "Nodes": nodes}).constraints.facts["multi_az"]

    assert (spread("eu-west-1a", "eu-west-1b"), spread("eu-west-1a", "eu-west-1a"), spread()) == (True, False, False)
