"""The estate store: reads return what was written, the disk holds only ciphertext, and no text is embedded twice."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import InitialisationError, StorageError
from cloudops_nb.model import (
    Constraint,
    Constraints,
    IamPermissions,
    Relation,
    Resource,
    ResourceFilter,
    Ternary,
)
from cloudops_nb.storage.engines.vector_store import Patch, PointFilter
from cloudops_nb.storage.estate.estate_writer import UpsertReport
from cloudops_nb.storage.facade import StorageService
from tests.storage.conftest import WordEmbedder, both_engines, pipes_of

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from cloudops_nb.settings import Settings

pytestmark = both_engines

SEEN = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
DATABASE = Resource(
    resource_type="rds_instance",
    identifier="pg-instance-main1",
    account_id="123456789012",
    region="eu-west-1",
    service="rds",
    arn="arn:aws:rds:eu-west-1:123456789012:db:pg-instance-main1",
    name="pg-instance-main1",
    state="available",
    account_name="Acme-Production",
    tags={"Environment": "production", "Team": "zebra-crossing"},
    iam=IamPermissions(
        ("rds:StopDBInstance",),
        (),
        ("rds:DeleteDBInstance",),
        "role/ops",
        {"rds:StopDBInstance": "s1"},
        ("rds:DeleteDBInstance",),
    ),
    constraints=Constraints(can_stop=Constraint(Ternary.FALSE, "it is a replica"), facts={"multi_az": True}),
    relations=(Relation("in_vpc", "ec2_vpc", "vpc-0a1b2c3d"),),
    metadata={"engine": "postgres", "ports": [5432], "nested": {"deep": None}},
    last_synced=SEEN,
)
SERVER = Resource(
    "ec2_instance", "i-0abc123def4567890", "123456789012", "us-east-1", "ec2",
    "arn:aws:ec2:us-east-1:123456789012:instance/i-0abc123def4567890", "jenkins", "running", "Acme-Production",
    {"Environment": "production"},
)  # fmt: skip
BUCKET = Resource("s3_bucket", "acme-backups", "210987654321", "eu-west-1", "s3", "arn:aws:s3:::acme-backups")
ESTATE = (DATABASE, SERVER, BUCKET)


@pytest.fixture
def filled(storage: StorageService) -> StorageService:
    storage.estate.upsert(ESTATE, scan_id="scan-1")
    return storage


@pytest.fixture(scope="module")
def settled(company: StorageService) -> StorageService:
    """The same estate, for tests that only read."""
    company.estate.upsert(ESTATE, scan_id="scan-1")
    return company


def names(storage: StorageService, **where: Any) -> set[str]:
    return {hit.resource.identifier for hit in storage.estate.resources(ResourceFilter(**where))}


def test_a_resource_comes_back_as_it_was(settled: StorageService) -> None:
    assert settled.estate.get(DATABASE.arn) == DATABASE


def test_a_resource_without_an_arn_is_found_by_its_canonical_key(storage: StorageService) -> None:
    plain = replace(SERVER, arn="", last_synced=SEEN)
    storage.estate.upsert([plain], scan_id="scan-1")

    assert storage.estate.get(plain.canonical_key) == plain
    assert storage.estate.get("arn:aws:s3:::nowhere") is None


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, {"pg-instance-main1", "i-0abc123def4567890", "acme-backups"}),
        ({"account": "123456789012"}, {"pg-instance-main1", "i-0abc123def4567890"}),
        ({"account": "acme-production"}, {"pg-instance-main1", "i-0abc123def4567890"}),
        ({"region": "eu-west-1"}, {"pg-instance-main1", "acme-backups"}),
        ({"service": "ec2"}, {"i-0abc123def4567890"}),
        ({"resource_type": "s3_bucket"}, {"acme-backups"}),
        ({"state": "Running"}, {"i-0abc123def4567890"}),
        ({"name": "Jenkins"}, {"i-0abc123def4567890"}),
        ({"tags": {"Team": "zebra-crossing"}}, {"pg-instance-main1"}),
        ({"tags": {"Environment": "*"}}, {"pg-instance-main1", "i-0abc123def4567890"}),
        ({"region": "eu-west-1", "account": "123456789012"}, {"pg-instance-main1"}),
        ({"tags": {"Environment": "production", "Team": "other"}}, set()),
    ],
)
def test_filters_and_together_without_regard_to_case(
    settled: StorageService, where: dict[str, Any], expected: set[str]
) -> None:
    assert names(settled, **where) == expected
    assert settled.estate.count(ResourceFilter(**where)) == len(expected)


@pytest.mark.parametrize("text", ["jenkins", "JENKINS", " i-0ABC123def4567890 ", SERVER.arn.upper()])
def test_lookup_is_equality_of_id_name_or_arn_without_case(settled: StorageService, text: str) -> None:
    assert [resource.identifier for resource in settled.estate.lookup(text)] == [SERVER.identifier]


def test_a_resource_with_a_name_of_its_own_is_found_by_its_name_tag(storage: StorageService) -> None:
    cluster = Resource(
        "eks_cluster",
        "prod",
        "123456789012",
        "eu-west-1",
        "eks",
        name="prod",
        tags={"Name": "eksctl-prod/ControlPlane"},
    )
    storage.estate.upsert([cluster], scan_id="one")

    for name in ("prod", "eksctl-prod/ControlPlane"):
        assert [each.identifier for each in storage.estate.lookup(name)] == ["prod"]
        assert [hit.resource.identifier for hit in storage.estate.resources(ResourceFilter(name=name))] == ["prod"]
    (hit,) = storage.estate.search("eksctl-prod/controlplane", limit=1)
    assert hit.why.startswith("exact Name tag")


@pytest.mark.parametrize("text", ["", "  ", "jenkin", "eu-west-1", "*"])
def test_lookup_finds_nothing_else(settled: StorageService, text: str) -> None:
    assert settled.estate.lookup(text) == []


def test_facets_name_the_values_they_count(settled: StorageService) -> None:
    assert settled.estate.facets("region") == {"eu-west-1": 2, "us-east-1": 1}
    assert settled.estate.facets("account_name") == {"Acme-Production": 2}
    assert settled.estate.facets("tags", ResourceFilter(service="rds")) == {
        "Environment=production": 1,
        "Team=zebra-crossing": 1,
    }
    assert settled.estate.facets("traits") == {
        "environment=production": 2,
        "engine=postgres": 1,
        "environment=unknown": 1,
    }
    with pytest.raises(StorageError, match="cannot be counted by data"):
        settled.estate.facets("data")


def test_an_unchanged_resource_is_not_embedded_or_written_again_but_is_seen_again(
    filled: StorageService, embedder: WordEmbedder
) -> None:
    before = len(embedder.embedded)
    later = SEEN.replace(day=2)
    report = filled.estate.upsert([replace(DATABASE, last_synced=later), SERVER, BUCKET], scan_id="scan-2")

    assert report == UpsertReport(written=0, unchanged=3)
    assert len(embedder.embedded) == before
    assert filled.estate.get(DATABASE.arn) == replace(DATABASE, last_synced=later)


def test_a_change_that_no_word_shows_is_written_without_embedding(
    filled: StorageService, embedder: WordEmbedder
) -> None:
    before = len(embedder.embedded)
    larger = replace(DATABASE, metadata={**DATABASE.metadata, "storage_gib": 500})
    report = filled.estate.upsert([larger], scan_id="scan-2")

    assert report == UpsertReport(written=1, unchanged=0)
    assert len(embedder.embedded) == before
    assert filled.estate.get(DATABASE.arn) == larger
    assert filled.estate.search("pg-main")[0].resource == larger


def test_what_a_resource_no_longer_has_is_no_longer_found(filled: StorageService) -> None:
    filled.estate.upsert([replace(DATABASE, state="", account_name="", tags={})], scan_id="scan-2")

    assert names(filled, state="available") == set()
    assert names(filled, account="Acme-Production") == {SERVER.identifier}
    assert names(filled, tags={"Team": "*"}) == set()


def test_equal_descriptions_are_embedded_once(storage: StorageService, embedder: WordEmbedder) -> None:
    fleet = [replace(SERVER, identifier=f"i-{number:017x}", arn="") for number in range(600)]
    report = storage.estate.upsert(fleet, scan_id="scan-1")

    assert report.written == storage.estate.count() == 600
    assert len(embedder.embedded) == 1


def test_the_last_of_two_in_one_batch_wins(storage: StorageService) -> None:
    storage.estate.upsert([SERVER, replace(SERVER, state="stopped")], scan_id="scan-1")

    assert storage.estate.count() == 1
    stored = storage.estate.get(SERVER.arn)
    assert stored
    assert stored.state == "stopped"


def test_delete_says_how_many_there_were(filled: StorageService) -> None:
    assert filled.estate.delete(BUCKET.arn, "arn:aws:s3:::nowhere") == 1
    assert filled.estate.count() == 2


def test_a_row_removed_during_the_write_is_written_again(
    filled: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, patch = filled.vector_store, filled.vector_store.patch

    def vanish_first(collection: str, patches: list[Patch]) -> list[str]:
        store.delete_ids(collection, [point_id for each in patches for point_id in each.ids])
        return patch(collection, patches)

    monkeypatch.setattr(store, "patch", vanish_first)
    report = filled.estate.upsert([DATABASE, replace(SERVER, metadata={"new": 1})], scan_id="scan-2")

    assert report == UpsertReport(written=2, unchanged=0)
    assert filled.estate.get(DATABASE.arn) == DATABASE


def test_no_value_of_the_estate_is_readable_in_any_file(
    storage: StorageService, key_settings: Settings, request: pytest.FixtureRequest
) -> None:
    storage.estate.upsert(ESTATE, scan_id="scan-canary")
    storage.chat.append("canary-conversation", "user", "stop zebra-crossing", {"note": "chat-canary"})
    storage.flush()
    folders = [key_settings.data_path]
    if key_settings.remote:
        folders.append(request.getfixturevalue("qdrant_server").folder)
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_socket())
    written = {path: path.read_bytes() for path in files}
    canaries = [
        "123456789012", "210987654321", "pg-instance-main1", "i-0abc123def4567890", "jenkins", "zebra-crossing",
        "eu-west-1", "us-east-1", "Acme-Production", "acme-production", "acme-backups", "rds_instance", "postgres",
        "StopDBInstance", "scan-canary", "canary-conversation", "chat-canary",
    ]  # fmt: skip

    assert sum(map(len, written.values())) > 10_000
    found = {(canary, path.name) for canary in canaries for path, data in written.items() if canary.encode() in data}
    assert found == set()


@pytest.mark.filterwarnings("ignore::cloudops_nb.errors.CloudOpsWarning")
@pytest.mark.parametrize("damage", ["altered", "moved", "gone"])
def test_a_damaged_row_is_skipped_counted_and_reported(filled: StorageService, damage: str) -> None:
    store = filled.vector_store
    one, other = list(store.rows("aws_estate", PointFilter(), ("data",)))[:2]
    data = {"altered": "A" * len(one.payload["data"]), "moved": other.payload["data"], "gone": "no base64!"}[damage]
    before = {hit.resource.canonical_key for hit in filled.estate.resources()}
    (lost,) = [key for key in before if filled.estate._points.point_id_of(key) == one.id]
    store.patch("aws_estate", [Patch([one.id], {"data": data})])

    assert {hit.resource.canonical_key for hit in filled.estate.resources()} == before - {lost}
    assert lost not in {hit.resource.canonical_key for hit in filled.estate.search("jenkins production database")}
    assert filled.estate.get(lost) is None
    assert filled.estate.lookup(lost) == []
    left = {hit.resource.account_name for hit in filled.estate.resources()}
    assert set(filled.estate.facets("account_name")) - {""} == left - {""}
    warnings = filled.health()["warnings"]
    assert any("decryptions failed" in line for line in warnings)
    assert not any(word in str(warnings) for word in ("main1", "jenkins", "123456789012", data))


@pytest.mark.filterwarnings("ignore::cloudops_nb.errors.CloudOpsWarning")
def test_a_scan_writes_a_damaged_row_again(filled: StorageService) -> None:
    """Its hashes still match those of the resource, so they do not show the damage."""
    before = {hit.resource.canonical_key: hit.resource for hit in filled.estate.resources()}
    one = next(iter(filled.vector_store.rows("aws_estate", PointFilter(), ("data",))))
    filled.vector_store.patch("aws_estate", [Patch([one.id], {"data": "A" * len(one.payload["data"])})])
    assert len(filled.estate.resources()) == len(before) - 1

    report = filled.estate.upsert(list(before.values()), scan_id="scan-heals")
    assert report.written == 1
    assert {hit.resource.canonical_key: hit.resource for hit in filled.estate.resources()} == before


def test_an_embedder_of_another_dimension_is_refused(key_settings: Settings, embedder: WordEmbedder) -> None:
    embedder.dimension = 768
    service = StorageService(key_settings, lambda: embedder)
    with pytest.raises(InitialisationError, match="768 components, and the estate's have 384"):
        service.estate.upsert([SERVER], scan_id="scan-1")
    service.close()


def test_another_model_embeds_everything_again(
    filled: StorageService, key_settings: Settings, embedder: WordEmbedder
) -> None:
    embedder.model_id = "words/2"
    with StorageService(key_settings, lambda: embedder) as other:
        assert other.estate.upsert(ESTATE, scan_id="scan-2") == UpsertReport(written=3, unchanged=0)


def test_two_kernels_write_and_search_one_estate_at_once(
    storage: StorageService, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    storage.estate.upsert([SERVER], scan_id="scan-0")
    key = key_settings.qdrant_api_key and key_settings.qdrant_api_key.get_secret_value()
    given = json.dumps({**key_settings.model_dump(mode="json", exclude_unset=True), "qdrant_api_key": key})
    kernels = [pipes_of(start_python(KERNEL, given, number)) for number in range(2)]
    for stdin, _ in kernels:
        stdin.write("go\n")
        stdin.flush()
    for _, stdout in kernels:
        assert stdout.readline() == "done\n"

    assert storage.estate.count() == 2 * 300 + 1
    assert {hit.resource.name for hit in storage.estate.search("kernel1-host299", limit=1)} == {"kernel1-host299"}


KERNEL = """
import json
import sys
import numpy as np
from cloudops_nb.model import Resource
from cloudops_nb.settings import Settings
from cloudops_nb.storage.facade import StorageService

class Flat:
    dimension, model_id = 384, "flat"
    def embed(self, texts):
        return np.full((len(texts), 384), 384 ** -0.5, dtype=np.float32)

sys.stdin.readline()
number = sys.argv[2]
with StorageService(Settings(**json.loads(sys.argv[1])), Flat) as storage:
    for start in range(0, 300, 20):
        hosts = [
            Resource("ec2_instance", f"i-{number}{index}", "123456789012", "eu-west-1", "ec2",
                     name=f"kernel{number}-host{index}")
            for index in range(start, start + 20)
        ]
        storage.estate.upsert(hosts, scan_id=f"scan-{number}")
        found = storage.estate.search(hosts[-1].name, limit=3)
        assert found[0].resource.name == hosts[-1].name, found
        assert found[0].why.startswith("exact name"), found
print("done", flush=True)
"""
