"""A person with the store's folder and without its key cannot lead a plan to another resource than the one named."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.aws.sessions import AccountSessions
from cloudops_nb.client.asking import Assistant
from cloudops_nb.client.document_plans import DocumentPlanner
from cloudops_nb.client.host_playbooks import HostPlaybooks
from cloudops_nb.client.wiring import Parts
from cloudops_nb.errors import CloudOpsWarning, PlanError, StoreCorruptedError
from cloudops_nb.model import CellResult, CellState, Resource
from cloudops_nb.request.transport import InProcessTransport
from cloudops_nb.server.pipeline import PlaybookServer
from cloudops_nb.server.similarity import EmbeddingSimilarity
from cloudops_nb.settings import Settings
from cloudops_nb.ssm.catalogue import Catalogue
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import Patch
from cloudops_nb.storage.facade import StorageService
from tests.sample_plans import delete_volume, stop_database
from tests.storage.conftest import WordEmbedder, ended_owners
from tests.storage.damaged_index import hide_name
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cloudops_nb.model import BoundPlaybook

ACCOUNTS = {"staging": "210987654321", "prod": "123456789012"}
KINDS = {"rds_instance": ("rds", "db"), "ec2_instance": ("ec2", "i")}
NAMES = [f"{word}-{number}" for word in ("orders", "payments", "reports", "basket", "ledger") for number in range(10)]


def estate() -> list[Resource]:
    return [
        Resource(
            kind,
            f"{prefix}-{name}",
            account_id,
            "eu-west-1",
            service,
            arn=f"arn:aws:{service}:eu-west-1:{account_id}:{prefix}:{name}",
            name=f"{prefix}-{account}-{name}",
            account_name=account,
            state="available" if service == "rds" else "running",
            last_synced=datetime.now(UTC),
        )
        for account, account_id in ACCOUNTS.items()
        for kind, (service, prefix) in KINDS.items()
        for name in NAMES
    ]


class PlannedError(PlanError):
    """Carries the playbook with its targets out of the assistant, at the place where a plan would be made."""

    def __init__(self, bound: BoundPlaybook) -> None:
        super().__init__("the test needs no plan")
        self.bound = bound


class Host:
    """A store with 200 databases and instances, and the assistant that answers prompts about them."""

    def __init__(self, storage: StorageService, embedder: WordEmbedder) -> None:
        self.storage = storage
        self.planned: list[str] = []
        catalogue = Catalogue.bundled()
        server = PlaybookServer(catalogue, EmbeddingSimilarity(lambda: embedder))
        transport = InProcessTransport(server.handle)
        self.assistant = Assistant(storage, catalogue, lambda: transport, self._prepare, {})
        self.planner = DocumentPlanner(
            storage,
            HostPlaybooks(storage.vault.data_path),
            sessions=AccountSessions,
            prepare=lambda bound, **_: self._prepare(bound),
            regions=(),
        )

    def _prepare(self, bound: BoundPlaybook) -> Any:
        self.planned += [target.name for target in bound.targets]
        raise PlannedError(bound)

    def fill(self, resources: Sequence[Resource] = (), *, recorded: bool) -> None:
        resources = resources or estate()
        cells = {resource.cell for resource in resources}
        if recorded:
            self.storage.estate.begin_cells(cells, scan_id="scan")
        self.storage.estate.upsert(resources, scan_id="scan")
        if recorded:
            results = [CellResult(cell, CellState.OK, datetime.now(UTC), 0.1) for cell in cells]
            self.storage.estate.finish_cells(results, scan_id="scan")

    def rotate(self) -> None:
        """Give the keyed fields of each point to the next one."""
        points = list(self.storage.vector_store.points(AWS_ESTATE.name))
        self.storage.vector_store.patch(
            AWS_ESTATE.name,
            [
                Patch([point.id], {name: after.payload[name] for name in ("groups", "marks", "content")})
                for point, after in zip(points, points[1:] + points[:1], strict=True)
            ],
        )

    def targets_of(self, prompt: str) -> tuple[list[str], str]:
        """Return the names of the targets that would be planned for, and the answer."""
        self.planned.clear()
        answer = self.assistant.ask(prompt, "")
        return list(self.planned), answer.text

    def prepare(self, name: str) -> None:
        """Plan to stop the database of a name by the catalogue's document."""
        self.planned.clear()
        self.planner.prepare("rds-stop", {"DBInstanceIdentifier": name}, "", "", override=False)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    embedder = WordEmbedder()
    settings = Settings(data_path=tmp_path / "store", key_file=tmp_path / "key")
    with ended_owners(tmp_path), StorageService(settings, lambda: embedder) as storage:
        yield Host(storage, embedder)


def test_rotated_keyed_fields_are_reported_and_no_change_is_planned(host: Host) -> None:
    host.fill(recorded=True)
    assert host.targets_of(f"stop {estate()[0].name}") == ([estate()[0].name], "the test needs no plan.")
    host.rotate()

    for resource in estate():
        with pytest.raises(StoreCorruptedError, match="no change is planned: the estate was altered"):
            host.targets_of(f"stop {resource.name}")
    assert host.planned == []
    (warning, *_) = host.storage.health()["warnings"]
    assert warning.startswith("the estate was altered, or is older than the scan state")


def test_no_document_is_planned_in_an_altered_estate(host: Host) -> None:
    host.fill(recorded=True)
    with pytest.raises(PlannedError):
        host.prepare("db-staging-orders-0")
    assert host.planned == ["db-staging-orders-0"]
    host.rotate()

    for name in (each.name for each in estate() if each.resource_type == "rds_instance"):
        with pytest.raises(StoreCorruptedError, match="no change is planned: the estate was altered"):
            host.prepare(name)
    assert host.planned == []


def test_no_document_is_planned_past_a_row_that_cannot_be_decrypted(host: Host) -> None:
    host.fill(recorded=False)
    host.rotate()

    with pytest.raises(StoreCorruptedError, match="a stored resource that a parameter may name cannot be decrypted"):
        host.prepare("db-staging-orders-0")
    assert host.planned == []


def test_rotated_keyed_fields_lead_to_no_other_resource_though_no_digest_is_known(host: Host) -> None:
    host.fill(recorded=False)
    host.rotate()

    for resource in estate():
        with pytest.raises(StoreCorruptedError, match="a stored resource that the prompt may mean cannot be decrypted"):
            host.targets_of(f"stop {resource.name}")
    assert host.planned == []


@pytest.mark.parametrize("field", [{"data": "x"}, {"last_synced": "x"}])
def test_a_damaged_row_does_not_make_the_other_resource_of_its_name_the_target(
    host: Host, field: dict[str, str]
) -> None:
    one, other, *_ = (resource for resource in estate() if resource.resource_type == "ec2_instance")
    one, other = (replace(resource, name="ci-server") for resource in (one, other))
    host.fill([*estate()[:10], one, other], recorded=True)
    planned, text = host.targets_of("stop ci-server")
    assert (planned, text[:16]) == ([], "2 resources fit.")
    hidden = host.storage.vault.blind_index.point_id(one.canonical_key)
    host.storage.vector_store.patch(AWS_ESTATE.name, [Patch([hidden], field)])

    with pytest.raises(StoreCorruptedError, match="a stored resource that the prompt may mean cannot be decrypted"):
        host.targets_of("stop ci-server")
    assert host.planned == []


def test_hidden_points_are_reported_and_no_change_is_planned(host: Host) -> None:
    host.fill(recorded=True)
    hidden = [point.id for point in list(host.storage.vector_store.points(AWS_ESTATE.name))[::7]]
    host.storage.vector_store.delete_ids(AWS_ESTATE.name, hidden)

    for resource in estate():
        with pytest.raises(StoreCorruptedError, match="rows are missing"):
            host.targets_of(f"stop {resource.name}")
    assert host.planned == []
    report = host.storage.estate.integrity.check()
    assert sum(cell.written - cell.found for cell in report.altered) == len(hidden)


def test_hidden_points_with_removed_records_are_reported_and_no_change_is_planned(host: Host) -> None:
    host.fill(recorded=True)
    hidden = [point.id for point in list(host.storage.vector_store.points(AWS_ESTATE.name))[::7]]
    host.storage.vector_store.delete_ids(AWS_ESTATE.name, hidden)
    with host.storage.journal.database.writing() as connection:
        connection.execute("DELETE FROM cells WHERE cell != ?", (host.storage.scan_state._seal.name,))

    with pytest.raises(StoreCorruptedError, match="no change is planned: the scan state was altered, 4 of 4 records"):
        host.targets_of(f"stop {estate()[0].name}")
    assert host.planned == []
    (warning, *_) = host.storage.health()["warnings"]
    assert warning.startswith("the scan state was altered: 4 of 4 records are missing")


def test_a_question_is_still_answered(host: Host) -> None:
    host.fill(recorded=True)
    host.rotate()
    planned, text = host.targets_of("which databases are there")
    assert planned == []
    assert "Rows were left out" in text
    assert "The answer may be incomplete: the estate was altered" in text


def test_a_destructive_plan_is_refused_after_a_new_check(host: Host, tmp_path: Path) -> None:
    host.fill(recorded=True)
    with closing(Parts(Settings(data_path=tmp_path / "store", key_file=tmp_path / "key"))) as parts:
        parts.storage.estate.integrity.check()
        host.rotate()
        parts.check_estate_for(stop_database())
        with pytest.raises(StoreCorruptedError, match="the estate was altered"):
            parts.check_estate_for(delete_volume())


def test_a_dependent_that_cannot_be_decrypted_is_noted_and_stops_a_destructive_plan(host: Host, tmp_path: Path) -> None:
    host.fill(recorded=True)
    with closing(Parts(Settings(data_path=tmp_path / "store", key_file=tmp_path / "key"))) as parts:
        parts.check_estate_for(delete_volume())
        parts.check_estate_for(stop_database(), left_out=1)
        with pytest.raises(StoreCorruptedError, match="may depend on a target cannot be decrypted"):
            parts.check_estate_for(delete_volume(), left_out=1)


def test_a_damaged_index_does_not_hide_one_of_two_resources_with_the_same_name(host: Host) -> None:
    name = estate()[0].name
    other = replace(estate()[0], arn="arn:aws:rds:eu-central-1:123456789012:db:other", region="eu-central-1")
    host.fill([*estate(), other], recorded=True)
    planned, question = host.targets_of(f"stop {name}")
    assert planned == []
    hide_name(host.storage, name)
    assert len(host.storage.estate.lookup(name)) == 1

    assert host.targets_of(f"stop {name}") == ([], question)


def test_a_destructive_plan_whose_targets_may_come_from_a_damaged_index_is_refused_once(
    host: Host, tmp_path: Path
) -> None:
    host.fill(recorded=True)
    hide_name(host.storage, estate()[0].name)
    with closing(Parts(Settings(data_path=tmp_path / "store", key_file=tmp_path / "key"))) as parts:
        with pytest.raises(StoreCorruptedError, match="the index of marks was damaged"):
            parts.check_estate_for(delete_volume())
        parts.check_estate_for(delete_volume())


def warned(parts: Parts) -> bool:
    parts.check_estate()
    return bool(parts._estate_warnings)


def test_a_later_difference_is_warned_of_too(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudops_nb.client.wiring._ESTATE_CHECK_SECONDS", 0.0)
    host.fill(recorded=True)
    with closing(Parts(Settings(data_path=tmp_path / "store", key_file=tmp_path / "key"))) as parts:
        parts.check_estate()
        assert parts._estate_check is not None
        parts._estate_check.result()
        parts.check_estate()
        host.rotate()
        with pytest.warns(CloudOpsWarning, match="the estate was altered"):
            until(lambda: warned(parts), "the warning")
