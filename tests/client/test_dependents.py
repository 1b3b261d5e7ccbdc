"""The resources that depend on a resource: exactly those whose relation names it, whatever its namesakes are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudops_nb.client.dependents import dependents_of, not_looked_at
from cloudops_nb.model import CellKey, CellResult, CellState, Relation, Resource
from cloudops_nb.settings import Settings
from cloudops_nb.specs.files import bundled_specs
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import EVERY_POINT, Patch
from cloudops_nb.storage.estate.fields import TARGET, field_of
from cloudops_nb.storage.facade import StorageService
from tests.storage.conftest import WordEmbedder, ended_owners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOME, OTHER = "123456789012", "111122223333"
NEAR, FAR = "eu-west-1", "us-east-2"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
#: Resources of the same name in two types, accounts and regions.
NAMESAKES = [
    (kind, account, region)
    for kind in ("rds_instance", "ecs_cluster", "kms_alias")
    for account in (HOME, OTHER)
    for region in (NEAR, FAR)
]


def resource(kind: str, account: str, region: str, name: str = "shared", *links: Relation) -> Resource:
    arn = f"arn:aws:{kind}:{region}:{account}:{name}"
    return Resource(kind, name, account, region, kind.split("_", maxsplit=1)[0], arn=arn, name=name, relations=links)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageService]:
    folder: Path = tmp_path_factory.mktemp("dependents")
    settings_of_store = Settings(data_path=folder / "store", key_file=folder / "key" / "store.key")
    with ended_owners(folder), StorageService(settings_of_store, WordEmbedder) as service:
        yield service


@pytest.fixture
def storage(store: StorageService) -> StorageService:
    """The store without resources and cells."""
    store.estate.delete(*(hit.resource.canonical_key for hit in store.estate.resources()))
    return store


# One relation as AWS names its target: by its ARN, or by its name in the place of the resource that has the relation.
links = st.lists(st.tuples(st.sampled_from(range(len(NAMESAKES))), st.booleans()), max_size=3)
owners = st.tuples(st.sampled_from([HOME, OTHER]), st.sampled_from([NEAR, FAR]), links)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(owners, min_size=1, max_size=5))
def test_dependents_are_exactly_the_declared_ones(
    storage: StorageService, declared: list[tuple[str, str, list[tuple[int, bool]]]]
) -> None:
    storage.estate.delete(*(hit.resource.canonical_key for hit in storage.estate.resources()))
    targets = [resource(*place) for place in NAMESAKES]
    wanted: dict[str, set[str]] = {target.arn: set() for target in targets}
    made = []
    for number, (account, region, chosen) in enumerate(declared):
        relations, name = [], f"user-{number}"
        for index, by_arn in chosen:
            target = targets[index]
            if by_arn:
                place = (target.account_id, target.region, target.arn)
            else:
                place = (account, region, "")
                target = next(
                    each
                    for each in targets
                    if (each.resource_type, each.account_id, each.region) == (target.resource_type, account, region)
                )
            relations.append(Relation("uses", target.resource_type, "shared", *place))
            wanted[target.arn].add(name)
        made.append(resource("lambda_function", account, region, name, *relations))
    storage.estate.apply_delta([*targets, *made])

    found = dependents_of(storage.estate, targets)

    direct = {key: {each.resource.name for each in of_one if len(each.path) == 1} for key, of_one in found.items()}
    assert direct == wanted
    for target in targets:
        assert {each.name for each in storage.estate.related_to([target])} == wanted[target.arn]


def test_an_id_that_ec2_made_leads_to_a_shared_resource_of_another_account(storage: StorageService) -> None:
    subnet = resource("ec2_subnet", OTHER, NEAR, "subnet-0a1b")
    web = resource("ec2_instance", HOME, NEAR, "web", Relation("in_subnet", "ec2_subnet", "subnet-0a1b", "", NEAR))
    storage.estate.apply_delta([subnet, web])

    (found,) = dependents_of(storage.estate, [subnet])[subnet.arn]
    assert found.resource.name == "web"


def chain(*kinds: str) -> list[Resource]:
    """Return resources of these types, each with a relation to the one before it."""
    made: list[Resource] = []
    for number, kind in enumerate(kinds):
        links_to = [Relation("uses_role", made[-1].resource_type, "", "", "", made[-1].arn)] if made else []
        made.append(resource(kind, HOME, NEAR, f"{kind}-{number}", *links_to))
    return made


@pytest.mark.parametrize("between", ["kms_alias", "ecs_task_definition", "iam_instance_profile", "ec2_launch_template"])
def test_what_only_stands_between_counts_as_no_hop(storage: StorageService, between: str) -> None:
    first, middle, last, beyond = made = chain("kms_key", between, "sqs_queue", "lambda_function")
    storage.estate.apply_delta(made)

    found = dependents_of(storage.estate, [first])[first.arn]
    assert [(each.resource.arn, each.hops, [on_the_way.arn for on_the_way in each.path]) for each in found] == [
        (middle.arn, 1, [first.arn]),
        (last.arn, 1, [first.arn, middle.arn]),
    ]
    farther = dependents_of(storage.estate, [first], hops=2)[first.arn]
    assert [each.resource.arn for each in farther] == [middle.arn, last.arn, beyond.arn]
    assert farther[-1].hops == 2
    assert found[1].label == f"sqs_queue {last.name} (uses role, by {middle.name})"


def test_a_circle_ends(storage: StorageService) -> None:
    first, second = chain("kms_key", "kms_alias")
    first = replace(first, relations=(Relation("uses", "kms_alias", "", "", "", second.arn),))
    storage.estate.apply_delta([first, second])

    assert [each.resource.arn for each in dependents_of(storage.estate, [first], hops=9)[first.arn]] == [second.arn]


def test_rows_from_before_targets_were_kept_count_as_not_looked_at(storage: StorageService) -> None:
    queue = resource("sqs_queue", HOME, NEAR)
    storage.estate.apply_delta([queue])
    assert storage.estate.without_targets() == 0
    (row,) = storage.vector_store.rows(AWS_ESTATE.name, EVERY_POINT, ("marks",))
    older = [number for number in row.payload["marks"] if field_of(number) != TARGET]
    storage.vector_store.patch(AWS_ESTATE.name, [Patch([row.id], {"marks": older})])

    assert not_looked_at(storage, [queue], []) == ["scanned by an earlier version: 1 of the resources; scan again"]
    storage.vector_store.patch(AWS_ESTATE.name, [Patch([row.id], {"marks": row.payload["marks"]})])


def test_an_answer_says_what_it_did_not_look_at(storage: StorageService) -> None:
    specs = [spec for spec in bundled_specs() if spec.resource_type in ("rds_instance", "s3_bucket", "sqs_queue")]
    key = resource("kms_key", HOME, NEAR)
    result = CellResult(CellKey(HOME, NEAR, "rds_instance"), CellState.DENIED, NOW, 1.0)
    storage.scan_state.put(result)

    assert not_looked_at(storage, [key], specs) == [
        f"not read completely: {HOME}/{NEAR}/rds_instance (denied)",
        "never scanned: s3_bucket, sqs_queue",
        "relations that only a scan with every detail reads: s3_bucket",
    ]
    storage.scan_state.put(replace(result, state=CellState.OK_EMPTY))
    assert not_looked_at(storage, [key], specs)[0] == "never scanned: s3_bucket, sqs_queue"
    assert not_looked_at(storage, [resource("kms_alias", HOME, NEAR)], specs)[0].startswith("never scanned: s3_bucket")
    assert not_looked_at(storage, [resource("efs_access_point", HOME, NEAR)], specs) == []
