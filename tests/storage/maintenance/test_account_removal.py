"""Removing an account, and keeping everything else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import BackupError, DecryptionError, StorageError
from cloudops_nb.model import CellKey, CellResult, CellState, LearnedRate, Resource, ResourceFilter
from cloudops_nb.storage.engines.schema import AWS_ESTATE
from cloudops_nb.storage.engines.vector_store import PointFilter
from cloudops_nb.storage.maintenance import account_removal
from cloudops_nb.storage.maintenance.account_mentions import AccountMentions
from cloudops_nb.storage.maintenance.account_removal import ACCOUNT_FORGOTTEN, account_traces, forget_account
from cloudops_nb.storage.opening.handover import hand_over
from cloudops_nb.storage.opening.journal_tables import stored_records, stored_schedule
from cloudops_nb.storage.schedule.due_times import Schedule
from tests.storage.filled_store import ACCOUNT, fill

if TYPE_CHECKING:
    from cloudops_nb.storage.facade import StorageService

GOING = "210987654321"
QUEUE = "arn:aws:sqs:eu-west-1:210987654321:orders"


#: Two snapshots, one of them in S3.
SNAPSHOTS = ["estate_2025.snapshot", "s3://bucket/estate_2025.snapshot"]


@pytest.fixture
def shared(storage: StorageService) -> StorageService:
    """A store with two accounts, which conversations and a trust policy mention."""
    fill(storage)
    gone = [
        Resource("sqs_queue", "orders-queue", GOING, "eu-west-1", "sqs", arn=QUEUE, name="orders", account_name="old"),
        Resource("ec2_instance", "i-0ab12cd34ef56", GOING, "eu-west-1", "ec2", name="web", account_name="old"),
    ]
    trusting = Resource(
        "iam_role", "partner", ACCOUNT, "global", "iam",
        arn=f"arn:aws:iam::{ACCOUNT}:role/partner", account_name="prod",
        metadata={"trust": {"Principal": {"AWS": f"arn:aws:iam::{GOING}:root"}}},
    )  # fmt: skip
    storage.estate.upsert([*gone, trusting], scan_id="scan-1")
    for kind in ("sqs_queue", "ec2_instance"):
        storage.scan_state.put(CellResult(CellKey(GOING, "eu-west-1", kind), CellState.OK, datetime.now(UTC), 1.0))
    storage.chat.append("about it", "user", "stop I-0AB12CD34EF56, please.")
    storage.chat.append("about it", "assistant", "done")
    storage.chat.append("beside it", "user", "which ones?", {"resources": [{"arn": QUEUE}]})
    storage.chat.append("by number", "user", f"how is account {GOING}?")
    storage.chat.append("another", "user", "the orders of i-0ab12cd34ef567 and the web")
    storage.journal.append("plan", "p9", {"targets": ["i-0ab12cd34ef56"]})
    return storage


def test_a_look_says_what_would_go_and_changes_nothing(shared: StorageService) -> None:
    traces = account_traces(shared, GOING, lambda: SNAPSHOTS)

    assert (traces.resources, traces.cells, traces.journal_records) == (2, 2, 1)
    assert traces.conversations == ["about it", "beside it", "by number"]
    assert traces.mentioned_by == [f"arn:aws:iam::{ACCOUNT}:role/partner"]
    assert traces.snapshots == SNAPSHOTS
    assert account_traces(shared, "old", lambda: SNAPSHOTS) == traces
    assert shared.estate.count() == 9


def test_the_account_is_removed_and_the_rest_stays(shared: StorageService) -> None:
    others = [hit.resource for hit in shared.estate.resources(ResourceFilter(account=ACCOUNT))]
    first, another = shared.chat.history("first"), shared.chat.history("another")
    traces = account_traces(shared, GOING, list)
    report = forget_account(shared, GOING, list)

    assert (report.resources, report.conversations) == (traces.resources, traces.conversations)
    assert [hit.resource for hit in shared.estate.resources()] == others
    assert [conversation.name for conversation in shared.chat.conversations()] == ["another", "first"]
    assert (shared.chat.history("first"), shared.chat.history("another")) == (first, another)
    assert {result.key.account_id for result in shared.scan_state.cells()} == {ACCOUNT}
    assert shared.journal.records(kind=ACCOUNT_FORGOTTEN)[0].body["resources"] == 2
    left = account_traces(shared, GOING, list)
    assert (left.resources, left.cells, left.conversations, left.journal_records) == (0, 0, [], 1)


def test_no_ciphertext_of_it_is_left_in_any_file(shared: StorageService) -> None:
    fields = ("data", "groups")
    where = shared.estate._points.matching(ResourceFilter(account=GOING))
    rows = list(shared.vector_store.rows("aws_estate", where, fields))
    said = list(shared.vector_store.rows("chat_history", PointFilter([shared.chat._in("about it")]), ("data",)))
    with shared.journal.database.reading() as connection:
        cells = dict(connection.execute("SELECT cell, envelope FROM cells").fetchall())
    gone = [shared.scan_state._blind_name(CellKey(GOING, "eu-west-1", kind)) for kind in ("sqs_queue", "ec2_instance")]
    sealed = [row.payload["data"].encode() for row in (*rows, *said)] + [cells[cell] for cell in gone]
    number = shared.estate._points.blind("account_id", GOING)
    assert all(number in row.payload["groups"] for row in rows)
    blind = [number.to_bytes(8, "little"), *(cell.encode() for cell in gone)]
    assert len(sealed) == 7
    assert all(secret in stored(shared) for secret in (*sealed, *blind))

    forget_account(shared, GOING, list)
    shared.flush()
    left = stored(shared)
    assert not [secret for secret in (*sealed, *blind) if secret in left]


def stored(storage: StorageService) -> bytes:
    storage.flush()
    return b"".join(path.read_bytes() for path in storage.vault.data_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("step", ["stage_copy", "hand_over"])
def test_cut_short_before_its_handover_it_removed_nothing(
    shared: StorageService, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    before = account_traces(shared, GOING, list)
    with monkeypatch.context() as patch:
        patch.setattr(account_removal, step, killed)
        with pytest.raises(KeyboardInterrupt):
            forget_account(shared, GOING, list)
    assert account_traces(shared, GOING, list) == before


def test_cut_short_after_its_handover_it_is_finished_by_another_run(
    shared: StorageService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any) -> None:
        hand_over(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(account_removal, "hand_over", killed)
        with pytest.raises(KeyboardInterrupt):
            forget_account(shared, GOING, list)
    assert (shared.estate.count(), len(shared.scan_state.cells())) == (7, 2)
    assert not shared.journal.records(kind=ACCOUNT_FORGOTTEN)
    assert forget_account(shared, GOING, list).cells == 0
    assert len(shared.journal.records(kind=ACCOUNT_FORGOTTEN)) == 1


def test_cells_and_rates_of_an_account_without_rows_go_too(shared: StorageService) -> None:
    rates = [LearnedRate(account, "eu-west-1", "ec2", "reads", 5.0, datetime.now(UTC)) for account in (GOING, ACCOUNT)]
    shared.scan_state.put_rates(rates)
    shared.vector_store.delete(AWS_ESTATE.name, shared.estate._points.matching(ResourceFilter(account=GOING)))

    assert forget_account(shared, GOING, list).cells == 2
    assert {result.key.account_id for result in shared.scan_state.cells()} == {ACCOUNT}
    assert shared.scan_state.rates() == rates[1:]


def test_the_journal_and_the_schedule_stay_as_they_were(shared: StorageService) -> None:
    Schedule(shared).claim("backup", 60.0)
    head, schedule = shared.journal.export_head(), stored_schedule(shared.journal.database)
    records = list(stored_records(shared.journal.database))
    forget_account(shared, GOING, list)

    assert list(stored_records(shared.journal.database))[:-1] == records
    assert stored_schedule(shared.journal.database) == schedule
    assert schedule
    shared.journal.verify(against=head)


def test_a_cell_that_cannot_be_decrypted_stops_it_before_anything_is_removed(shared: StorageService) -> None:
    with shared.journal.database.writing() as connection:
        connection.execute("UPDATE cells SET envelope = x'00'")
    with pytest.raises(DecryptionError):
        forget_account(shared, GOING, list)
    assert shared.estate.count() == 9


@pytest.mark.parametrize(("account", "why"), [("nobody", "no account"), ("shared name", "2 accounts")])
def test_a_name_must_be_that_of_one_account(storage: StorageService, account: str, why: str) -> None:
    resources = [
        Resource("sqs_queue", "q", str(number) * 12, "eu-west-1", "sqs", account_name="shared name")
        for number in (1, 2)
    ]
    storage.estate.upsert(resources, scan_id="s")

    with pytest.raises(StorageError, match=f"{why}.* Give the account's 12 digits"):
        forget_account(storage, account, list)
    assert storage.estate.count() == 2


@pytest.mark.fast
@pytest.mark.parametrize(
    ("value", "mentioned"),
    [
        ("stop i-0ab12cd34ef56", True),
        ("Stop (I-0AB12CD34EF56), now", True),
        ("i-0ab12cd34ef56.", True),
        ("arn:aws:ec2:eu-west-1:123456789012:instance/i-0ab12cd34ef56", True),
        ({"a": [{"b": ("x", "i-0ab12cd34ef56")}]}, True),
        ({"i-0ab12cd34ef56": 1}, True),
        ("my odd id [1] it is", True),
        (f"in {GOING}?", True),
        (f"arn:aws:s3:::logs-{GOING}", True),
        (f"order 1{GOING}", False),
        ("i-0ab12cd34ef567", False),
        ("xi-0ab12cd34ef56", False),
        ("the web and db1", False),
        (210987654321, False),
        ("", False),
    ],
)
def test_a_mention_is_a_whole_word_in_any_text(value: object, mentioned: bool) -> None:
    ids = ("i-0ab12cd34ef56", "odd id [1]", "db1")
    mentions = AccountMentions(GOING, [Resource("t", name, GOING, "r", "s") for name in ids])

    assert mentions.within(value) is mentioned


def test_leftover_files_are_removed_too(shared: StorageService) -> None:
    path = shared.vault.data_path
    with shared.journal.database.reading() as connection:
        cells = [envelope for (envelope,) in connection.execute("SELECT envelope FROM cells")]
    shared.journal.close()
    aside = path / "journal.db.2026-01-01T00-00-00.aside"
    aside.write_bytes((path / "journal.db").read_bytes())
    left = [path / name for name in ("rekey.next/journal.db", "snapshots/journal/.x.partial", "locks/resource-00.lock")]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"left")
    report = forget_account(shared, GOING, list)

    assert report.asides == [aside.name]
    assert not [file for file in left if file.exists()]
    assert not [envelope for envelope in cells if envelope in aside.read_bytes()]


def test_snapshots_that_cannot_be_listed_are_reported(shared: StorageService) -> None:
    def unlisted() -> list[str]:
        raise BackupError("not all snapshots can be named", "S3 does not answer")

    assert "S3 does not answer" in account_traces(shared, GOING, unlisted).snapshots_problem


@pytest.mark.fast
@pytest.mark.parametrize(
    ("said", "mentioned"), [("restart payments-prod-db-7", True), ("in acme-old", True), ("old web", False)]
)
def test_a_name_that_is_more_than_a_word_is_a_mention_in_what_people_said(said: str, mentioned: bool) -> None:
    named = [
        Resource("t", "i-0", GOING, "r", "s", name="payments-prod-db-7", account_name="acme-old"),
        Resource("t", "i-1", GOING, "r", "s", name="web", account_name="old"),
    ]

    assert AccountMentions(GOING, named, names=True).within(said) is mentioned
    assert not AccountMentions(GOING, named).within(said)
