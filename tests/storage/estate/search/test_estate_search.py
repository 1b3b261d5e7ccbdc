"""Search: the right resource first, with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from cloudops_nb.errors import EmbeddingError
from cloudops_nb.model import Resource, ResourceFilter
from cloudops_nb.storage.estate.store import EstateStore
from tests.storage.conftest import both_engines

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.facade import StorageService
    from tests.storage.conftest import WordEmbedder

pytestmark = both_engines

ACCOUNTS = {"prod": "111111111111", "staging": "222222222222", "Data Lake": "333333333333"}
SERVICES = {
    "rds_instance": "rds", "ec2_instance": "ec2", "s3_bucket": "s3", "lambda_function": "lambda", "sqs_queue": "sqs",
}  # fmt: skip


def one(
    kind: str, name: str, account: str, region: str = "eu-west-1", *, state: str = "", engine: str = "", **tags: str
):
    service, account_id = SERVICES[kind], ACCOUNTS[account]
    identifier = f"i-{abs(hash_of(name)):017x}" if kind == "ec2_instance" else name
    arn = f"arn:aws:{service}:{region}:{account_id}:{identifier}"
    metadata = {"engine": engine} if engine else {}
    return Resource(kind, identifier, account_id, region, service, arn, name, state, account, tags, metadata=metadata)


def hash_of(name: str) -> int:
    return int.from_bytes(name.encode()[:8], "big")


ESTATE = [
    one("rds_instance", "pg-instance-main1", "prod", state="available", engine="postgres", Environment="production"),
    one("rds_instance", "pg-instance-main1-replica", "prod", state="available", engine="postgres", Team="reports"),
    one("rds_instance", "mysql-stock", "prod", state="stopped", engine="mysql", Environment="production"),
    one("rds_instance", "pg-staging", "staging", state="available", engine="aurora-postgresql", Environment="staging"),
    one("ec2_instance", "jenkins", "prod", state="running", Role="continuous integration"),
    one("ec2_instance", "orders-web-1", "prod", "us-east-1", state="running", App="orders"),
    one("ec2_instance", "orders-web-2", "staging", "us-east-1", state="stopped", App="orders"),
    one("s3_bucket", "acme-invoices", "prod", "eu-west-1", Team="finance"),
    one("s3_bucket", "acme-logs", "prod", "us-east-1"),
    one("s3_bucket", "raw-events", "Data Lake", "eu-central-1"),
    one("lambda_function", "OrdersResizeImages", "prod", App="orders"),
    one("sqs_queue", "orders-outbox", "prod", App="orders", CostCentre="4711"),
]


@pytest.fixture(scope="module")
def estate(company: StorageService):
    company.estate.upsert(ESTATE, scan_id="scan-1")
    return company.estate


def names(hits) -> list[str]:
    return [hit.resource.name for hit in hits]


@pytest.mark.parametrize(
    ("text", "first", "why"),
    [
        ("jenkins", "jenkins", "exact name"),
        ("JENKINS", "jenkins", "exact name"),
        (ESTATE[4].identifier, "jenkins", "exact id"),
        (ESTATE[0].arn, "pg-instance-main1", "exact ARN"),
        ("pg-instance-main1", "pg-instance-main1", "exact name"),
        ("is orders-web-2 running?", "orders-web-2", "exact name"),
        ("pg-main", "pg-instance-main1", "name contains 'pg' and 'main'"),
        ("orders-out", "orders-outbox", "name contains 'orders-out'"),
        (ESTATE[4].identifier[4:14], "jenkins", "id contains"),
        ("jenkinz", "jenkins", "name similar to 'jenkinz'"),
        ("pg-instnce-main1", "pg-instance-main1", "name contains 'pg' and 'main1'"),
        ("invocies", "acme-invoices", "name similar to 'invocies'"),
        ("resize images", "OrdersResizeImages", "name contains 'resize images'"),
        ("finance", "acme-invoices", "tag Team=finance"),
        ("continuous integration", "jenkins", "tag Role=continuous integration"),
        ("orders queue", "orders-outbox", "type sqs_queue"),
        ("4711", "orders-outbox", "tag CostCentre=4711"),
    ],
)
def test_the_first_hit_and_why(estate, text: str, first: str, why: str) -> None:
    hit = estate.search(text)[0]

    assert hit.resource.name == first
    assert why in hit.why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("production postgres", {"pg-instance-main1", "pg-instance-main1-replica"}),
        ("production database", {"pg-instance-main1", "pg-instance-main1-replica", "mysql-stock"}),
        ("postgres database", {"pg-instance-main1", "pg-instance-main1-replica", "pg-staging"}),
        ("buckets in eu-west-1", {"acme-invoices"}),
        ("buckets in Virginia", {"acme-logs"}),
        ("stopped servers", {"orders-web-2"}),
        ("aurora", {"pg-staging"}),
        ("object storage in account data lake", {"raw-events"}),
        ("running machines in account prod", {"jenkins", "orders-web-1"}),
        ("lambdas", {"OrdersResizeImages"}),
        ("buckets in ap-south-1", set()),
    ],
)
def test_a_query_of_structure_alone_is_a_filter(estate, text: str, expected: set[str]) -> None:
    assert set(names(estate.search(text))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stoped servres", {"orders-web-2"}),
        ("postgers databse in stagng", {"pg-staging"}),
        ("buckets in virgina", {"acme-logs"}),
        ("running databases in account staging", {"pg-staging"}),
        ("team=finance", {"acme-invoices"}),
        ("things tagged team finance", {"acme-invoices"}),
        ("finance team buckets", {"acme-invoices"}),
        ("cost centre 4711", {"orders-outbox"}),
        ("buckets in europe and in us-east", {"acme-invoices", "acme-logs", "raw-events"}),
    ],
)
def test_misspelt_words_tags_and_larger_places_are_filters_too(estate, text: str, expected: set[str]) -> None:
    assert set(names(estate.search(text))) == expected


def test_a_word_that_the_estate_has_is_not_taken_for_a_misspelling(estate) -> None:
    assert names(estate.search("stock"))[0] == "mysql-stock"
    assert "type" not in estate.understand("stock").filters


def test_the_estate_tells_how_it_reads_a_query(estate) -> None:
    reading = estate.understand("payments databse in staging")

    assert str(reading) == (
        "type docdb_cluster, docdb_instance, neptune_cluster, neptune_instance, rds_cluster or rds_instance, "
        "environment staging; looking for: payments; read 'databse' as 'database'"
    )
    assert reading.filters["environment"] == ("staging",)


@pytest.mark.parametrize("word", ["database", "firewall", "cluster", "s3"])
def test_a_name_that_is_a_word_of_structure_comes_first_whatever_bears_it(company: StorageService, word: str) -> None:
    kinds = {"database": "rds_instance", "firewall": "sqs_queue", "cluster": "s3_bucket", "s3": "lambda_function"}
    named = one("ec2_instance", word, "Data Lake", state="running")
    bearing = one(kinds[word], f"orders-{word}", "Data Lake")
    company.estate.upsert([named, bearing], scan_id="scan-2")

    assert company.estate.search(word)[0].resource.canonical_key == named.canonical_key
    company.estate.delete(named.canonical_key, bearing.canonical_key)


def test_what_only_describes_the_kind_ranks(estate) -> None:
    assert str(estate.understand("database queue")) == "type sqs_queue; looking for: database"
    assert estate.search("orders of the database queue")[0].resource.resource_type == "sqs_queue"


def test_a_failing_model_fails_the_search_that_needs_it(
    storage: StorageService, embedder: WordEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(texts: list[str]) -> None:
        raise EmbeddingError("no vectors today", f"{len(texts)} texts")

    storage.estate.upsert(ESTATE, scan_id="scan-1")
    monkeypatch.setattr(embedder, "embed", broken)

    with pytest.raises(EmbeddingError, match="no vectors today"):
        storage.estate.search("something else entirely")
    assert names(storage.estate.search("orders-outbox"))[0] == "orders-outbox"
    assert names(storage.estate.search("stopped servers")) == ["orders-web-2"]


def test_structure_that_fits_nothing_ranks_instead_of_hiding_everything(estate) -> None:
    assert "orders-outbox" in names(estate.search("development queues"))


def test_structure_ranks_what_other_words_find(estate) -> None:
    hits = estate.search("orders servers in staging")

    assert names(hits)[0] == "orders-web-2"
    assert hits[0].why.startswith("name contains 'orders'; ")
    assert "environment staging" in hits[0].why
    assert "orders-web-1" in names(hits)


def test_filters_narrow_every_way_of_finding(estate) -> None:
    where = ResourceFilter(account="staging")

    assert names(estate.search("orders-web-1", where=where))[0] == "orders-web-2"
    assert set(names(estate.search("database", where=where))) == {"pg-staging"}
    assert {hit.resource.account_name for hit in estate.search("anything at all", where=where)} == {"staging"}


def test_scores_fall_and_the_limit_holds(estate) -> None:
    for text in ("orders", "pg", "production", "something else entirely"):
        hits = estate.search(text, limit=4)
        assert len(hits) <= 4
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert all(hit.why for hit in hits)


@pytest.mark.parametrize("text", ["", "   ", "?!", "\0"])
def test_a_query_without_words_finds_nothing(estate, text: str) -> None:
    assert estate.search(text) == []


def test_a_limit_beyond_the_window_is_served(storage: StorageService) -> None:
    fleet = [one("sqs_queue", f"queue-{number}", "prod") for number in range(90)]
    storage.estate.upsert(fleet, scan_id="scan-1")

    assert len(storage.estate.search("queues", limit=80)) == 80
    assert len(storage.estate.search("queue-7", limit=80)) == 80


def test_an_arn_finds_its_own_among_many_of_the_same_name(storage: StorageService) -> None:
    queue = one("sqs_queue", "orders-outbox", "prod")
    numbers = [f"{number:012}" for number in range(60)]
    fleet = [replace(queue, account_id=number, arn=f"arn:aws:sqs:eu-west-1:{number}:orders") for number in numbers]
    storage.estate.upsert(fleet, scan_id="scan-1")

    first = {wanted.arn: storage.estate.search(wanted.arn)[0] for wanted in fleet[::6]}

    assert [(hit.resource.arn, hit.why.partition(";")[0]) for hit in first.values()] == [
        (arn, "exact ARN") for arn in first
    ]


class Heard:
    """A store whose questions are listed."""

    def __init__(self, storage: StorageService) -> None:
        self._store = storage.vector_store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        def ask(*arguments: object, **options: object) -> object:
            self.asked.append(name)
            return getattr(self._store, name)(*arguments, **options)

        return ask

    def as_store(self) -> VectorStore:
        return cast("VectorStore", self)  # every method is the real store's


def test_a_name_takes_three_turns_with_the_store(storage: StorageService, embedder: WordEmbedder) -> None:
    storage.estate.upsert(ESTATE, scan_id="scan-1")
    heard = Heard(storage)
    estate = EstateStore(heard.as_store(), storage.vault, storage.scan_state, storage.scan_locks, lambda: embedder)
    estate.search("orders-web-1")
    heard.asked.clear()

    (first, *_) = estate.search("orders-web-1")

    assert (first.resource.name, first.why.partition(";")[0]) == ("orders-web-1", "exact name")
    assert heard.asked == ["generation", "query", "retrieve"]


def test_an_account_that_another_kernel_added_is_known_at_once(storage: StorageService) -> None:
    storage.estate.upsert(ESTATE[:4], scan_id="scan-1")
    storage.estate.search("buckets in Data Lake")
    storage.estate.upsert(ESTATE[4:], scan_id="scan-1")

    assert names(storage.estate.search("buckets in Data Lake")) == ["raw-events"]


def test_a_type_without_declared_words_is_a_filter_as_soon_as_it_is_stored(storage: StorageService) -> None:
    lexicon_of_words = replace(one("sqs_queue", "terms", "prod"), resource_type="polly_lexicon", service="polly")
    storage.estate.upsert(ESTATE, scan_id="scan-1")
    assert names(storage.estate.search("polly lexicons in prod")) != ["terms"]
    storage.estate.upsert([lexicon_of_words], scan_id="scan-2")

    (hit,) = storage.estate.search("polly lexicons in prod")

    assert hit.resource == replace(lexicon_of_words, last_synced=hit.resource.last_synced)


def test_declared_types_are_known_without_opening_rows(storage: StorageService, embedder: WordEmbedder) -> None:
    storage.estate.upsert(ESTATE, scan_id="scan-1")
    heard = Heard(storage)
    estate = EstateStore(heard.as_store(), storage.vault, storage.scan_state, storage.scan_locks, lambda: embedder)

    assert set(estate._search._estate_words.now().types()) == {resource.resource_type for resource in ESTATE}
    assert heard.asked == ["generation", "values"]
