"""A few resources are read again alone: by a narrowed call if it tells all of them, else from the whole list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.model import CellResult, CellState
from cloudops_nb.scanner.reading.narrowed_calls import narrowed_parameters
from cloudops_nb.scanner.scan import Scanner
from tests.scanner.bundled import bundled_spec
from tests.synthetic_aws import EstateOfSpecs, Fault, SyntheticAws
from tests.synthetic_aws.errors import error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.model import Resource
    from cloudops_nb.specs.model import ResourceSpec
    from tests.synthetic_aws import Answer, Call
    from tests.synthetic_aws.faults import Served

ACCOUNT, REGION = "123456789012", "eu-west-1"
#: Listed by a call that takes identifiers, a call that takes one, one that takes none, below parents, and per account.
FORMS = ("ec2_instance", "rds_instance", "lambda_function", "ecs_service", "s3_bucket")

pytestmark = pytest.mark.fast


class World:
    """A synthetic AWS, and a scanner of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, specs: list[ResourceSpec], count: int) -> None:
        self.aws = SyntheticAws(otherwise=EstateOfSpecs(specs, regions=(REGION,), count=count), regions=(REGION,))
        for name, value in self.aws.environment.items():
            monkeypatch.setenv(name, value)
        self.sessions = AccountSessions(self.aws.accounts, threads=2, events=self.aws.events())
        self.scanner = Scanner(self.sessions, threads=2, specs=specs)

    def scan(self) -> list[Resource]:
        return _resources(list(self.scanner.scan(regions=[REGION])))

    def read(self, **identifiers: str) -> tuple[list[Resource], list[CellState]]:
        """Return the resources that were read again, and the states of their cells."""
        self.aws.forget_calls()
        items = list(self.scanner.read(ACCOUNT, REGION, {kind: {each} for kind, each in identifiers.items()}))
        return _resources(items), [each.state for each in items if isinstance(each, CellResult)]


def _resources(items: list[Any]) -> list[Resource]:
    return [each for item in items if not isinstance(item, CellResult) for each in item.resources]


@pytest.fixture
def make_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    worlds = []

    def make(*types: str, count: int = 3) -> World:
        worlds.append(World(monkeypatch, [bundled_spec(each) for each in types], count))
        return worlds[-1]

    yield make
    for world in worlds:
        world.sessions.close()


@pytest.mark.parametrize("kind", FORMS)
def test_one_resource_is_read_as_a_scan_reads_it(make_world: Any, kind: str) -> None:
    world = make_world(kind)
    chosen = world.scan()[1]

    (found,), states = world.read(**{kind: chosen.identifier})

    assert (found.arn, found.name, found.cell) == (chosen.arn, chosen.name, chosen.cell)
    assert states == [CellState.OK]


def test_details_are_read_of_the_chosen_resource_alone(make_world: Any) -> None:
    world = make_world("s3_bucket")
    chosen = world.scan()[0]
    details = [each.operation for each in bundled_spec("s3_bucket").details if not each.on_demand]

    world.read(s3_bucket=chosen.identifier)

    assert {world.aws.count(operation) for operation in details} == {0, 1}


def refused(call: Call, served: Served) -> Answer:
    return error(call, "ResourceNotFoundFault", 404, "not found")


@pytest.mark.parametrize(
    ("kind", "operation"), [("ec2_instance", "DescribeInstances"), ("rds_instance", "DescribeDBInstances")]
)
def test_a_resource_that_aws_does_not_know_is_looked_for_in_the_whole_list(
    make_world: Any, kind: str, operation: str
) -> None:
    world = make_world(kind)
    world.aws.faults = [Fault(refused, operation=operation, calls=range(1, 2))]

    assert world.read(**{kind: "gone"}) == ([], [CellState.OK_EMPTY])
    assert world.aws.count(operation) == 2


def test_a_list_that_cannot_be_read_does_not_say_that_the_resource_is_gone(make_world: Any) -> None:
    world = make_world("ec2_instance")
    world.aws.faults = [Fault("denied", operation="DescribeInstances")]

    assert world.read(ec2_instance="i-1") == ([], [CellState.DENIED])


@pytest.mark.parametrize(
    ("kind", "types", "count", "calls"),
    [
        ("ec2_instance", {"Filters": "list", "InstanceIds": "list"}, 2, [{"InstanceIds": ["0", "1"]}]),
        ("ec2_instance", {"InstanceIds": "list"}, 101, []),
        ("rds_instance", {"DBInstanceIdentifier": "string"}, 2, [{"DBInstanceIdentifier": each} for each in "01"]),
        ("rds_instance", {"DBInstanceIdentifier": "string"}, 11, []),
        ("lambda_function", {"FunctionVersion": "string"}, 1, []),
        ("ecs_service", {"service": "string"}, 1, []),
    ],
)
def test_a_call_is_narrowed_by_a_parameter_with_the_name_of_the_identifier(
    *, kind: str, types: dict[str, str], count: int, calls: list[dict[str, Any]]
) -> None:
    identifiers = set(map(str, range(count)))
    assert list(narrowed_parameters(bundled_spec(kind), types, identifiers)) == calls
