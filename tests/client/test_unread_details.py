"""A refused detail loses nothing that an earlier scan read, and nothing old is taken for new."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb import CloudOps
from cloudops_nb.aws.sessions import AccountSessions
from tests.embedders import EvenEmbedder
from tests.synthetic_aws import SyntheticAws
from tests.synthetic_aws.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-west-1"
PLACE = f"{REGION}:123456789012"
KEY = f"arn:aws:kms:{PLACE}:key/0a1b2c3d"
TABLE = {
    "TableName": "orders",
    "TableArn": f"arn:aws:dynamodb:{PLACE}:table/orders",
    "TableStatus": "ACTIVE",
    "DeletionProtectionEnabled": True,
    "SSEDescription": {"SSEType": "KMS", "KMSMasterKeyArn": KEY},
    "ProvisionedThroughput": {"ReadCapacityUnits": 5},
}
RECOVERY = {"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 7}
BACKUPS = {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": RECOVERY}}


class Estate:
    """One table on a synthetic AWS."""

    def __init__(self, ops: CloudOps) -> None:
        tags = [{"Key": "Env", "Value": "staging"}, {"Key": "Name", "Value": "Orders"}]
        answers: dict[tuple[str, str], Any] = {
            ("dynamodb", "ListTables"): ["orders"],
            ("dynamodb", "DescribeTable"): {"Table": TABLE},
            ("dynamodb", "DescribeContinuousBackups"): BACKUPS,
            ("resourcegroupstaggingapi", "GetResources"): [{"ResourceARN": TABLE["TableArn"], "Tags": tags}],
        }
        self.aws = SyntheticAws({("*", "*", *what): answer for what, answer in answers.items()}, regions=[REGION])
        self.ops = ops
        ops.parts._embedder = EvenEmbedder()
        ops.parts.sessions = AccountSessions(self.aws.accounts, events=self.aws.events())

    def refuse(self, *operations: str) -> None:
        """Let AWS refuse these operations from now on, and no other."""
        self.aws.faults[:] = [Fault("denied", operation=operation) for operation in operations]

    def read(self, **options: Any) -> Any:
        """Scan, and return the table's row."""
        self.ops.scan(services=["dynamodb_table"], **options)
        (row,) = self.ops.resources(resource_type="dynamodb_table").itertuples()
        return row

    @property
    def table(self) -> Any:
        """The table as the store has it."""
        return self.ops.storage.estate.get(str(TABLE["TableArn"]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    home = tmp_path_factory.mktemp("unread")
    with CloudOps(home / "store", key_file=str(home / "key"), regions=[REGION]) as ops:
        yield Estate(ops)


@pytest.fixture
def estate(made: Estate, monkeypatch: pytest.MonkeyPatch) -> Estate:
    for name, value in made.aws.environment.items():
        monkeypatch.setenv(name, value)
    made.refuse()
    made.read(every_detail=True)
    return made


def test_refused_tags_stay_with_their_age_and_are_found(estate: Estate) -> None:
    before = estate.table
    estate.refuse("GetResources")
    row = estate.read()

    assert row.tags == {"Env": "staging", "Name": "Orders"}
    assert row.name == "orders", "a table has a name of its own"
    assert row.last_read["tags"] == before.last_synced.isoformat()
    assert row.cell_state == "ok"
    assert list(estate.ops.resources(tags={"Env": "staging"}).identifier) == ["orders"]
    (cell,) = (each for each in estate.ops.storage.scan_state.cells() if each.key == before.cell)
    assert "1 without tags" in cell.detail

    again = estate.read()
    assert again.last_read["tags"] == row.last_read["tags"], "the age is that of the reading, not of the last scan"
    estate.refuse()
    assert "tags" not in estate.read().last_read


def test_a_hit_says_how_old_the_tags_are_that_it_rests_on(estate: Estate) -> None:
    since = estate.table.last_synced
    estate.refuse("GetResources")
    estate.read()
    hit = next(hit for hit in estate.ops.storage.estate.search("orders") if hit.resource.identifier == "orders")

    assert f"tags as read on {since:%Y-%m-%d}" in hit.why


def test_refused_facts_relations_and_metadata_stay_and_the_constraint_does_not(estate: Estate) -> None:
    before = estate.table
    estate.refuse("DescribeTable")
    estate.read()
    after = estate.table

    assert after.constraints.facts == before.constraints.facts
    assert after.relations == before.relations != ()
    assert after.metadata["read_capacity"] == 5
    assert before.constraints.can_delete.value == "false"
    assert after.constraints.can_delete.value == "unknown"
    kept = {"facts.protected", "relations.encrypted_with.kms_key", "metadata.read_capacity"}
    assert {after.last_read[part] for part in kept} == {before.last_synced.isoformat()}


def test_a_detail_of_every_detail_stays_after_a_scan_without_it(estate: Estate) -> None:
    before = estate.table
    estate.read()
    after = estate.table

    assert after.constraints.facts["has_backups"] is True
    assert after.metadata["recovery_days"] == 7
    kept = ("facts.has_backups", "metadata.recovery_days")
    assert after.last_read == dict.fromkeys(kept, before.last_synced.isoformat())


def test_a_part_that_was_never_read_has_no_age(estate: Estate) -> None:
    estate.ops.storage.estate.delete(str(TABLE["TableArn"]))
    estate.refuse("GetResources")
    for _ in "twice":
        row = estate.read()
        assert row.tags == {}
        assert row.last_read == dict.fromkeys(("tags", "facts.has_backups", "metadata.recovery_days"), "")


def test_a_verdict_on_a_policy_that_cannot_be_read_is_unknown_and_says_what_it_was(estate: Estate) -> None:
    table = estate.table
    action = "dynamodb:DeleteTable"
    allowed = replace(
        table, iam=replace(table.iam, allowed=(action,), unknown=(), denied=(), allowed_by_account=(), reasons={})
    )
    estate.ops.storage.estate.upsert([allowed], scan_id="allowed")
    estate.refuse("GetResourcePolicy")
    for _ in "twice":
        row = estate.read()
        assert action in row.unknown
        assert action not in row.allowed
        assert estate.table.iam.reasons[action].endswith(f"; it was allowed as read on {table.last_synced:%Y-%m-%d}")
    assert estate.table.last_read["policy"] == table.last_synced.isoformat()


def test_a_change_that_is_read_replaces_what_was_kept(estate: Estate) -> None:
    estate.refuse("GetResources")
    estate.read()
    estate.refuse()
    tags = ("*", "*", "resourcegroupstaggingapi", "GetResources")
    kept = estate.aws.estate[tags]
    estate.aws.estate[tags] = []
    try:
        assert estate.read().tags == {}
    finally:
        estate.aws.estate[tags] = kept


def test_the_time_of_a_reading_is_not_later_than_the_scan(estate: Estate) -> None:
    estate.refuse("GetResources")
    row = estate.read()
    assert datetime.now(UTC) - timedelta(minutes=10) < datetime.fromisoformat(row.last_read["tags"]) < row.as_of
