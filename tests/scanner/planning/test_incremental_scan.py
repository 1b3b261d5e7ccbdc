"""An incremental scan reads only cells that may have changed; everything it cannot know counts as changed."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.scanner.planning.cloudtrail_changes import OVERLAP
from cloudops_nb.scanner.planning.incremental_scan import LOOKUP_TYPE_PREFIX
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.cloud_control import spec_for
from cloudops_nb.specs.files import bundled_specs
from tests.synthetic_aws import SyntheticAws
from tests.synthetic_aws.aws import HOME_ACCOUNT
from tests.synthetic_aws.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.fast

REGIONS = ("eu-west-1", "us-east-1")
OPERATIONS = {
    "ec2_instance": "DescribeInstances",
    "rds_instance": "DescribeDBInstances",
    "s3_bucket": "ListBuckets",
    "iam_role": "GetAccountAuthorizationDetails",
    "globalaccelerator_accelerator": "ListAccelerators",
}
ALL = frozenset(OPERATIONS)
MINUTE = timedelta(minutes=1)
DATABASES = {f"{HOME_ACCOUNT}/{region}/rds_instance" for region in REGIONS}


class World:
    """An account whose record of changes a test writes; what each scan found is what the next one knows.

    Minutes pass by moving everything that happened so far into the past.
    """

    def __init__(self, aws: SyntheticAws, specs: Sequence[Any]) -> None:
        self.aws = aws
        self.specs = list(specs)
        self.last: dict[CellKey, CellResult] = {}
        #: Region, source, when it happened, and when the record showed it.
        self.events: list[tuple[str, str, datetime, datetime]] = []
        #: How far back the record of a region was last looked into.
        self.asked: dict[str, timedelta] = {}
        self.sessions = AccountSessions(aws.accounts, events=aws.events())
        aws.estate["*", "*", "cloudtrail", "LookupEvents"] = self._answer

    def happened(self, source: str, ago: timedelta, *, region: str = "eu-west-1", late: timedelta = 0 * MINUTE) -> None:
        """Record a writing call, which the record shows ``late``."""
        at = datetime.now(UTC) - ago
        self.events.append((region, source, at, at + late))

    def pass_by(self, minutes: float) -> None:
        """Let time pass."""
        by = timedelta(minutes=minutes)
        self.last = {key: replace(each, started=each.started - by) for key, each in self.last.items()}
        self.events = [(region, source, at - by, shown - by) for region, source, at, shown in self.events]

    def scan(self, *, ends: bool = True, full: bool = False, **scope: Any) -> set[str]:
        """Scan, and return the cells of resources that were read."""
        scanner = Scanner(self.sessions, threads=8, specs=self.specs)
        items = scanner.scan(last=None if full else self.last, **scope)
        read = set()
        for item in items:
            if isinstance(item, CellResult):
                self.last[item.key] = item
                read |= set() if item.key.resource_type.startswith(LOOKUP_TYPE_PREFIX) else {str(item.key)}
                if not ends:
                    break
        items.close()
        return read

    def looks(self) -> list[CellResult]:
        """Return how the looks into the record ended last."""
        return [each for key, each in self.last.items() if key.resource_type.startswith(LOOKUP_TYPE_PREFIX)]

    def _answer(self, call: Any) -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        self.asked[call.region] = now - call.parameters["StartTime"]
        return [
            {"EventId": str(number), "EventSource": f"{source}.amazonaws.com", "EventTime": at}
            for number, (region, source, at, shown) in enumerate(self.events)
            if region == call.region and shown <= now and at >= call.parameters["StartTime"]
        ]


@pytest.fixture(scope="module")
def scanned_once() -> Iterator[World]:
    """A world after a full scan; its sessions serve the whole module."""
    aws = SyntheticAws(regions=REGIONS)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in aws.environment.items():
            environment.setenv(name, value)
        made = World(aws, [spec for spec in bundled_specs() if spec.resource_type in ALL])
        assert {cell.rpartition("/")[2] for cell in made.scan(full=True)} == ALL
    yield made
    made.sessions.close()


@pytest.fixture
def world(scanned_once: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world an hour after the full scan."""
    for name, value in scanned_once.aws.environment.items():
        monkeypatch.setenv(name, value)
    world, before = scanned_once, dict(scanned_once.last)
    specs = list(world.specs)
    world.pass_by(60)
    world.aws.forget_calls()
    yield world
    world.last, world.specs, world.events = before, specs, []
    world.aws.faults.clear()


def listed(world: World) -> set[str]:
    """The types that were listed since the full scan."""
    return {name for name, operation in OPERATIONS.items() if world.aws.count(operation)}


def test_unchanged_cells_are_not_read(world: World) -> None:
    assert world.scan() == set()
    assert listed(world) - {"iam_role"} == set()
    assert world.aws.count("LookupEvents") == len(REGIONS) + 1  # and where Global Accelerator records
    assert {look.state for look in world.looks()} == {CellState.OK_EMPTY}


def test_what_was_never_read_is_read_and_no_record_is_asked(world: World) -> None:
    world.last.clear()
    assert {cell.rpartition("/")[2] for cell in world.scan()} == ALL
    assert world.aws.count("LookupEvents") == 0


@pytest.mark.parametrize(
    ("source", "region", "cells"),
    [
        ("rds", "eu-west-1", {"eu-west-1/rds_instance"}),
        ("ec2", "us-east-1", {"us-east-1/ec2_instance"}),
        ("iam", "us-east-1", {"global/iam_role"}),
        ("iam", "eu-west-1", set()),  # global services record in the partition's home
        ("globalaccelerator", "us-west-2", {"global/globalaccelerator_accelerator"}),  # or in their own
        ("s3", "eu-west-1", {"eu-west-1/s3_bucket", "us-east-1/s3_bucket"}),  # one list fills both
        ("sns", "eu-west-1", set()),
    ],
)
def test_only_cells_whose_service_changed_something_there_are_read(
    world: World, source: str, region: str, cells: set[str]
) -> None:
    world.happened(source, 30 * MINUTE, region=region)
    assert world.scan() == {f"{HOME_ACCOUNT}/{cell}" for cell in cells}


def test_a_change_through_the_endpoint_that_lists_is_seen_by_a_scan_of_another_region(world: World) -> None:
    world.scan(full=True, regions=["eu-west-1"])
    world.pass_by(60)
    world.happened("s3", 30 * MINUTE, region="us-east-1")
    assert world.scan(regions=["eu-west-1"]) == {f"{HOME_ACCOUNT}/eu-west-1/s3_bucket"}


def test_a_change_is_read_until_it_can_show_no_more_and_then_never_again(world: World) -> None:
    world.happened("rds", 1 * MINUTE)
    times = 0
    for _ in range(8):
        times += bool(world.scan())
        world.pass_by(15)
    assert 1 <= times <= 3
    assert world.scan() == set()


@pytest.mark.parametrize("late", [1, 5, 14])
@pytest.mark.parametrize("interval", [1, 5, 15])
def test_a_change_that_shows_late_is_read_after_it_shows(world: World, late: int, interval: int) -> None:
    world.scan()  # the looks take over from the full scan
    world.pass_by(1)
    world.happened("rds", 0.5 * MINUTE, late=late * MINUTE)
    shown = False
    while not shown:
        world.scan()
        world.pass_by(interval)
        shown = world.events[0][3] <= datetime.now(UTC)
    assert f"{HOME_ACCOUNT}/eu-west-1/rds_instance" in world.scan()


@pytest.mark.parametrize(("full", "ago"), [(False, 14.9), (False, 29), (True, 14.9)])
@pytest.mark.parametrize("skew", [-4.5, 4.5])
def test_a_clock_that_aws_still_accepts_hides_no_change(world: World, skew: float, full: bool, ago: float) -> None:
    world.scan(full=full)
    # What this host wrote down is wrong by as much as its clock is.
    world.last = {key: replace(each, started=each.started + skew * MINUTE) for key, each in world.last.items()}
    world.pass_by(15)
    world.happened("rds", ago * MINUTE, late=14.5 * MINUTE)  # not to be seen by then
    assert f"{HOME_ACCOUNT}/eu-west-1/rds_instance" in world.scan()


def test_results_from_the_future_and_from_before_the_record_begins_are_not_believed(world: World) -> None:
    for minutes in (-3 * 60, 90 * 24 * 60):
        before = dict(world.last)
        world.pass_by(minutes)
        assert {cell.rpartition("/")[2] for cell in world.scan()} == ALL
        world.last = before


@pytest.mark.parametrize("state", sorted(set(CellState) - {CellState.OK, CellState.OK_EMPTY}))
def test_a_cell_that_did_not_end_well_is_read_again(world: World, state: CellState) -> None:
    key = next(key for key in world.last if key.resource_type == "ec2_instance")
    world.last[key] = replace(world.last[key], state=state)
    assert world.scan() == {str(key)}


def test_a_list_that_fills_many_cells_is_read_for_one_that_was_not_read(world: World) -> None:
    del world.last[CellKey(HOME_ACCOUNT, "us-east-1", "s3_bucket")]
    assert world.scan() == {f"{HOME_ACCOUNT}/{region}/s3_bucket" for region in REGIONS}


def test_a_list_that_fills_many_cells_is_as_old_as_the_oldest_of_them(world: World) -> None:
    world.happened("s3", 30 * MINUTE, region="us-east-1")
    world.scan(full=True, regions=["eu-west-1"])
    world.pass_by(30)
    assert f"{HOME_ACCOUNT}/us-east-1/s3_bucket" in world.scan()


def test_a_lookup_overlaps_the_last_lookup_or_reading(world: World) -> None:
    for minutes in (60, 15, 5):
        world.scan()
        assert minutes * MINUTE + OVERLAP <= world.asked["eu-west-1"] < (minutes + 1) * MINUTE + OVERLAP
        if minutes == 15:
            world.pass_by(10)
            world.scan(full=True)
        world.pass_by({60: 15}.get(minutes, 5))


@pytest.mark.parametrize("trouble", ["denied", "reset", "malformed", "throttled", "expired"])
def test_a_record_that_cannot_be_looked_into_makes_everything_there_be_read(
    world: World, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
    world.aws.faults.append(Fault(trouble, service="cloudtrail", region="eu-west-1"))
    read = world.scan()
    assert {cell.split("/")[1] + "/" + cell.split("/")[2] for cell in read} == {
        "eu-west-1/ec2_instance",
        "eu-west-1/rds_instance",
        "eu-west-1/s3_bucket",
        "us-east-1/s3_bucket",
    }
    (failed,) = [look for look in world.looks() if not look.state.complete]
    assert failed.key.region == "eu-west-1"
    assert failed.detail.startswith("the recorded changes cannot be looked up: ")
    assert world.scan() == read, "it was not looked into since"
    world.aws.faults.clear()
    world.pass_by(60)
    assert world.scan() == set()


def test_a_scan_that_was_cut_short_is_made_up_for(world: World) -> None:
    for source in ("ec2", "rds", "s3"):
        world.happened(source, 30 * MINUTE)
    first = world.scan(ends=False)
    assert len(first) == 1
    assert world.looks() == []
    world.pass_by(60)
    left = {"ec2_instance", "rds_instance", "s3_bucket"} - {cell.rpartition("/")[2] for cell in first}
    assert left <= {cell.rpartition("/")[2] for cell in world.scan()}


def test_what_a_narrow_scan_did_not_read_is_read_by_the_next_wide_one(world: World) -> None:
    world.happened("ec2", 30 * MINUTE)
    assert world.scan(services=["rds"]) == set()
    world.pass_by(60)
    assert world.scan() == {f"{HOME_ACCOUNT}/eu-west-1/ec2_instance"}


def test_a_type_with_unknown_event_sources_is_always_read(world: World) -> None:
    beyond = spec_for("AWS::Cassandra::Keyspace", ())
    world.specs.append(beyond)
    cells = {f"{HOME_ACCOUNT}/{region}/{beyond.resource_type}" for region in REGIONS}
    assert world.scan() == cells
    world.pass_by(60)
    assert world.scan() == cells


def test_an_interrupt_does_not_wait_for_lookups_that_have_not_started(world: World) -> None:
    looked: list[str] = []

    def look(account: str, region: str, moment: datetime) -> Any:
        looked.append(region)
        raise KeyboardInterrupt

    scanner = Scanner(world.sessions, specs=world.specs)
    scanner._look_up_changes = lambda word, *place: look(*place)  # type: ignore[method-assign]
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        scanner.scan(last=world.last)
    assert looked
    assert threading.active_count() <= before + len(looked)
