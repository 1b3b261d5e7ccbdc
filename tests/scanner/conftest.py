"""Fixtures: scanners of the simulated AWS, and what they find."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.model import Account, CellResult, Resource
from cloudops_nb.scanner.reading.task_reader import PageRead
from cloudops_nb.scanner.scan import Scanner
from cloudops_nb.specs.files import bundled_specs
from tests.scanner.moto_estate import CONFIG, REGIONS, ROLE, Estate
from tests.synthetic_aws.models import session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudops_nb.specs.model import ResourceSpec
    from tests.scanner.moto_estate import Estate

#: The types of which the estate has something; the simulated AWS does not know all the others.
SEED = frozenset({
    "autoscaling_group", "dynamodb_table", "ec2_instance", "ec2_security_group", "ec2_subnet", "ec2_volume", "ec2_vpc",
    "elbv2_load_balancer", "elbv2_target_group", "iam_role", "iam_user", "lambda_function", "rds_instance", "s3_bucket",
    "sqs_queue",
})  # fmt: skip


@pytest.fixture(autouse=True)
def models_read_once(shared_models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test use the shared loader of botocore's models."""
    monkeypatch.setattr("cloudops_nb.scanner.inventory.least_privilege._session", session)


ACCOUNTS = (
    Account(name="prod", profile="prod", environment="production"),
    Account(name="stage", role_arn=ROLE, source_profile="prod"),
)


@dataclass
class Scanned:
    """What a scan gave."""

    resources: list[Resource] = field(default_factory=list)
    results: dict[str, CellResult] = field(default_factory=dict)

    def one(self, resource_type: str, name: str) -> Resource:
        found = [each for each in self.resources if each.resource_type == resource_type and each.name == name]
        assert len(found) == 1, found
        return found[0]

    def names(self, resource_type: str) -> list[str]:
        return sorted(each.name for each in self.resources if each.resource_type == resource_type)


@pytest.fixture
def accounts() -> tuple[Account, ...]:
    """The two accounts, one by profile and one by role."""
    return ACCOUNTS


def seed_types() -> list[ResourceSpec]:
    """Return the specs of the types of which the estate has something."""
    return [spec for spec in bundled_specs() if spec.resource_type in SEED]


@pytest.fixture(scope="session")
def seed() -> list[ResourceSpec]:
    """The specs that scanners made here scan."""
    return seed_types()


@pytest.fixture
def make_scanner(aws: Estate) -> Iterator[Callable[..., Scanner]]:
    """Makes scanners of the seed's types, or of those given; their sessions are closed at the end of the test."""
    opened: list[AccountSessions] = []

    def make(
        accounts: tuple[Account, ...] = ACCOUNTS, *, events: Any = None, threads: int = 8, **options: Any
    ) -> Scanner:
        opened.append(AccountSessions(accounts, threads=threads, events=events, label="cloudops-nb-test"))
        return Scanner(opened[-1], threads=threads, **{"specs": seed_types(), **options})

    yield make
    for sessions in opened:
        sessions.close()


@pytest.fixture(scope="session")
def collect() -> Callable[..., Scanned]:
    """Runs a scan to its end."""

    def run(scanner: Scanner, **selection: Any) -> Scanned:
        scanned = Scanned()
        for item in scanner.scan(**{"regions": REGIONS, **selection}):
            if isinstance(item, PageRead):
                scanned.resources += item.resources
            else:
                assert str(item.key) not in scanned.results, "a cell ends once"
                scanned.results[str(item.key)] = item
        return scanned

    return run


@pytest.fixture(scope="session")
def found(estate: Estate, collect: Callable[..., Scanned], tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """What one undisturbed scan of both accounts and both regions gave; tests only read it."""
    config = tmp_path_factory.mktemp("aws") / "config"
    config.write_text(CONFIG, encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_CONFIG_FILE", str(config))
        environment.setenv("AWS_ENDPOINT_URL", estate.endpoint)
        environment.delenv("AWS_PROFILE", raising=False)
        sessions = AccountSessions(ACCOUNTS, threads=8)
        scanned = collect(Scanner(sessions, threads=8, specs=seed_types()))
        sessions.close()
    return scanned
