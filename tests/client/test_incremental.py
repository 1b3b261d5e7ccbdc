"""Incremental scans into the store: what changed is there afterwards, and nothing says more than is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb import CloudOps
from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.errors import ConfigurationError
from cloudops_nb.model import CellState
from tests.embedders import EvenEmbedder
from tests.synthetic_aws import SyntheticAws
from tests.synthetic_aws.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.synthetic_aws.aws import Content, Place
    from tests.synthetic_aws.call import Call

REGION = "eu-west-1"
TYPES = ["dynamodb_backup", "kms_alias"]
ALIASES, BACKUPS = ("*", "*", "kms", "ListAliases"), ("*", "*", "dynamodb", "ListBackups")
HOUR = timedelta(hours=1)


def alias(name: str) -> dict[str, Any]:
    """A key's alias as KMS lists it."""
    arn = f"arn:aws:kms:{REGION}:123456789012:alias/{name}"
    return {"AliasName": f"alias/{name}", "AliasArn": arn, "TargetKeyId": "0a1b2c3d"}


def saved(name: str) -> dict[str, Any]:
    """A table's backup as DynamoDB lists it."""
    arn = f"arn:aws:dynamodb:{REGION}:123456789012:table/{name}/backup/01"
    return {"BackupArn": arn, "BackupName": name, "TableName": name, "BackupStatus": "AVAILABLE"}


class Estate:
    """A client on an AWS of aliases and backups, whose record of changes a test writes."""

    def __init__(self, ops: CloudOps) -> None:
        self.events: list[tuple[str, datetime]] = []
        answers: dict[Place, Content | Callable[[Call], Content]] = {
            ALIASES: [alias("web"), alias("api")],
            BACKUPS: [saved("orders"), saved("carts")],
            ("*", "*", "cloudtrail", "LookupEvents"): self._answer,
        }
        self.aws = SyntheticAws(answers, regions=[REGION])
        self.ops = ops
        ops.parts._embedder = EvenEmbedder()
        ops.parts.sessions = AccountSessions(self.aws.accounts, events=self.aws.events())

    def changed(self, source: str) -> None:
        """Record a writing call, now."""
        self.events.append((f"{source}.amazonaws.com", datetime.now(UTC)))

    def names(self) -> set[str]:
        """What the store has."""
        return set(self.ops.resources().name)

    def read(self, mode: str = "incremental", **scope: Any) -> set[Any]:
        """Scan, and return the types that were read."""
        report = self.ops.scan(mode=mode, services=TYPES, **scope)
        return {cell.resource_type for cell in report.cells.itertuples()} & set(TYPES)

    def hours_ago(self, hours: int) -> None:
        """Let everything so far have happened so long ago."""
        state = self.ops.storage.scan_state
        state.put_all(replace(each, started=each.started - hours * HOUR) for each in state.cells())
        self.events = [(source, at - hours * HOUR) for source, at in self.events]

    def _answer(self, call: Call) -> list[dict[str, Any]]:
        since = call.parameters["StartTime"]
        return [{"EventSource": source, "EventTime": at} for source, at in self.events if at >= since]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """A store without a scan."""
    home = tmp_path_factory.mktemp("incremental")
    with CloudOps(home / "store", key_file=str(home / "key"), regions=[REGION]) as ops:
        yield Estate(ops)


@pytest.fixture
def estate(made: Estate, monkeypatch: pytest.MonkeyPatch) -> Estate:
    """The estate as at first; what was scanned before is known still."""
    for name, value in made.aws.environment.items():
        monkeypatch.setenv(name, value)
    made.events.clear()
    made.aws.faults.clear()
    made.aws.estate |= {ALIASES: [alias("web"), alias("api")], BACKUPS: [saved("orders"), saved("carts")]}
    return made


def test_the_first_one_reads_everything_and_the_next_only_what_changed(estate: Estate) -> None:
    state = estate.ops.storage.scan_state
    state.drop([state._blind_name(key) for key in state.records()])
    assert estate.read() == set(TYPES)
    assert len(estate.names()) == 4
    estate.hours_ago(1)
    estate.aws.forget_calls()
    assert estate.read() == set()
    assert estate.aws.count("ListAliases") == estate.aws.count("ListBackups") == 0

    estate.hours_ago(1)
    estate.aws.estate[ALIASES] = [alias("web"), alias("new")]
    estate.aws.estate[BACKUPS] = []
    estate.changed("kms")
    assert estate.read() == {"kms_alias"}
    assert {name.rpartition("/")[2] for name in estate.names()} == {"web", "new", "orders", "carts"}, (
        "deleted, and made"
    )


def test_an_item_that_a_listing_repeats_counts_once(estate: Estate) -> None:
    estate.aws.estate[ALIASES] = [alias("web"), alias("api"), alias("web")]
    cells = {cell.resource_type: cell.resources for cell in estate.ops.scan(services=TYPES).cells.itertuples()}
    assert cells == {"kms_alias": 2, "dynamodb_backup": 2}


def test_a_row_says_when_it_was_read_not_when_it_was_last_thought_of(estate: Estate) -> None:
    estate.read("full")
    before = estate.ops.resources().set_index("name")
    estate.hours_ago(1)
    estate.changed("kms")
    began = datetime.now(UTC)
    assert estate.read() == {"kms_alias"}
    after = estate.ops.resources().set_index("name")
    for name in after.index:
        row: Any = after.loc[name]
        if row.resource_type == "kms_alias":
            assert row.as_of >= began
        else:
            assert row.as_of == before.loc[name].as_of < began
        assert row.cell_state == "ok"


def test_where_the_record_is_closed_everything_is_read_and_the_report_says_why(estate: Estate) -> None:
    estate.read("full")
    estate.hours_ago(1)
    estate.aws.faults.append(Fault("denied", operation="LookupEvents"))
    report = estate.ops.scan(mode="incremental", services=TYPES)
    assert set(TYPES) < set(report.cells.resource_type)
    assert not report.complete
    assert "the recorded changes cannot be looked up: AccessDenied" in str(report)
    assert set(estate.ops.resources().cell_state) == {"ok"}


def test_a_cell_that_failed_keeps_its_rows_says_so_and_is_read_next_time(estate: Estate) -> None:
    estate.read("full")
    estate.hours_ago(1)
    estate.changed("dynamodb")
    estate.aws.faults.append(Fault("denied", operation="ListBackups"))
    assert estate.read() == {"dynamodb_backup"}
    states = estate.ops.resources().set_index("name").cell_state
    assert states["orders"] == "denied"
    assert states["alias/web"] == "ok"
    estate.hours_ago(1)
    estate.aws.faults.clear()
    assert estate.read() == {"dynamodb_backup"}
    assert set(estate.ops.resources().cell_state) == {"ok"}


@pytest.mark.parametrize("call", ["ListAliases", "LookupEvents"])
def test_an_interrupted_one_is_made_up_for_by_the_next(estate: Estate, call: str) -> None:
    estate.read("full")
    estate.hours_ago(1)
    for source in ("kms", "dynamodb"):
        estate.changed(source)
    before = estate.names()

    def interrupt(progress: Any) -> None:
        raise KeyboardInterrupt

    if call == "LookupEvents":
        estate.aws.estate["*", "*", "cloudtrail", call] = interrupt
    with pytest.raises(KeyboardInterrupt):
        estate.read(progress=interrupt)
    assert estate.names() == before
    assert not [cell for cell in estate.ops.storage.scan_state.cells() if cell.state is CellState.RUNNING]

    estate.aws.estate["*", "*", "cloudtrail", "LookupEvents"] = estate._answer
    estate.aws.estate[ALIASES], estate.aws.estate[BACKUPS] = [alias("late")], [saved("late")]
    estate.hours_ago(1)
    estate.read()
    assert estate.names() == {"alias/late", "late"}


def test_another_mode_is_one_line(estate: Estate) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown scan mode quick\. Use full or incremental\."):
        estate.read("quick")
