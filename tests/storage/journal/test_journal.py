from __future__ import annotations

import math
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.errors import AlreadyRecordedError, DecryptionError, JournalError
from cloudops_nb.storage.journal.journal import Journal
from cloudops_nb.storage.opening.vault_opening import open_vault

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.vault import Vault

OPEN = """
import sys
from cloudops_nb.settings import Settings
from cloudops_nb.storage.journal.journal import Journal
from cloudops_nb.storage.opening.vault_opening import open_vault
vault = open_vault(Settings(data_path=sys.argv[1], key_file=sys.argv[2]))
journal = Journal(vault.data_path, vault)
print("ready", flush=True)
sys.stdin.readline()
"""
LOOK_AND_CLOSE = (
    OPEN
    + """
print(len(journal.records()))
journal.close()
"""
)
APPEND_IN_THREADS = (
    OPEN
    + """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda number: journal.append("egress", sys.argv[3], {"number": number}), range(60)))
"""
)
APPEND_ONCE = (
    OPEN
    + """
from cloudops_nb.errors import AlreadyRecordedError
won = 0
for number in range(30):
    try:
        journal.append("approval_consumed", "e", {}, once=f"approval-{number}", power_safe=True)
        won += 1
    except AlreadyRecordedError:
        pass
print(won)
"""
)
APPEND_FOR_EVER = (
    OPEN
    + """
import itertools
for number in itertools.count():
    print(journal.append("step", "e", {"number": number}, power_safe=number % 2 == 0).sequence, flush=True)
"""
)


@pytest.mark.fast
def test_a_record_reads_back_as_it_was_appended(journal: Journal) -> None:
    body = {"text": "prod ü \ud800", "number": 1.5, "nested": [{"a": None}, True]}
    before = datetime.now(UTC)
    record = journal.append("plan", "p1", body)

    assert (record.sequence, record.kind, record.subject, record.body) == (1, "plan", "p1", body)
    assert before <= record.at <= datetime.now(UTC)
    assert journal.records() == [record]


@pytest.mark.fast
def test_records_survive_closing_and_reopening(journal: Journal, vault: Vault) -> None:
    written = [journal.append("plan", str(number), {}) for number in range(5)]
    journal.close()

    assert journal.records() == written
    again = Journal(vault.data_path, vault)
    assert again.append("plan", "5", {}).sequence == 6
    assert again.records()[:5] == written
    again.close()


@pytest.mark.fast
def test_filters_and_together_and_keep_the_order(vault: Vault) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    times = iter(start + timedelta(hours=hour) for hour in range(12))
    journal = Journal(vault.data_path, vault, clock=lambda: next(times))
    for number in range(12):
        journal.append(("plan", "approval", "egress")[number % 3], f"s{number % 2}", {"n": number})

    def found(**filters: Any) -> list[int]:
        return [record.body["n"] for record in journal.records(**filters)]

    assert found() == list(range(12))
    assert found(kind="plan") == [0, 3, 6, 9]
    assert found(kind=("plan", "egress")) == [0, 2, 3, 5, 6, 8, 9, 11]
    assert found(subject="s1", kind=["plan"]) == [3, 9]
    assert found(since=start + timedelta(hours=9)) == [9, 10, 11]
    assert found(kind="plan", limit=2) == [6, 9]
    assert found(limit=0) == found(kind="unheard") == found(subject="plan") == []
    assert found(kind="") == list(range(12))
    journal.close()


@pytest.mark.fast
def test_nothing_of_a_record_is_on_the_disk_in_the_clear(journal: Journal, vault: Vault) -> None:
    journal.append("egresskind", "subject-pg-main1", {"name": "secretive-name"}, once="once-key-1")

    content = b"".join(path.read_bytes() for path in vault.data_path.iterdir())
    for word in (b"egresskind", b"subject-pg-main1", b"secretive-name", b"once-key-1"):
        assert word not in content


@pytest.mark.fast
def test_every_file_is_private_to_its_owner(journal: Journal, vault: Vault) -> None:
    journal.append("plan", "p1", {})

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in vault.data_path.glob("journal*")}
    assert modes.keys() >= {"journal.db", "journal.db-wal", "journal.db-shm", "journal.head"}
    assert set(modes.values()) == {0o600}


@pytest.mark.fast
@pytest.mark.parametrize("body", [{"a": object()}, {"a": math.nan}, {"a": datetime(2026, 1, 1, tzinfo=UTC)}, {(): 1}])
def test_a_body_that_is_no_json_is_refused_and_nothing_is_added(journal: Journal, body: dict[Any, Any]) -> None:
    with pytest.raises(JournalError, match="plain JSON"):
        journal.append("plan", "p1", body)

    assert journal.verify().count == 0


@pytest.mark.fast
def test_what_is_recorded_once_is_refused_the_second_time(journal: Journal) -> None:
    journal.append("approval_consumed", "e1", {}, once="a1")
    journal.append("approval_consumed", "e1", {}, once="a2", power_safe=True)

    with pytest.raises(AlreadyRecordedError, match="approval_consumed"):
        journal.append("approval_consumed", "e2", {}, once="a1")
    assert len(journal.records()) == journal.verify().count == 2


@pytest.mark.fast
def test_an_exception_during_an_append_adds_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.append("plan", "p1", {})

    insert = journal._insert

    def interrupted(*arguments: Any) -> None:
        insert(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_insert", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.append("plan", "p2", {})
    assert journal.append("plan", "p3", {}).sequence == 2
    assert journal.verify().count == 2


@pytest.mark.fast
def test_a_record_moved_or_altered_does_not_open(journal: Journal) -> None:
    for number in range(3):
        journal.append("plan", f"p{number}", {})
    with journal.database.writing() as connection:
        connection.execute("UPDATE records SET envelope = (SELECT envelope FROM records WHERE sequence = 1)")

    with pytest.raises(DecryptionError):
        journal.records()


@pytest.mark.fast
def test_threads_append_without_loss(journal: Journal) -> None:
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda number: journal.append("plan", "p", {"n": number}), range(200)))

    assert sorted(record.sequence for record in records) == list(range(1, 201))
    assert sorted(record.body["n"] for record in journal.records()) == list(range(200))
    assert journal.verify().count == 200


def started(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_processes_and_their_threads_append_without_loss(
    journal: Journal, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    arguments = (key_settings.data_path, key_settings.key_file)
    processes = [started(start_python(APPEND_IN_THREADS, *arguments, name)) for name in ("one", "two")]
    for process in processes:
        go(process)
    mine = [journal.append("egress", "three", {"number": number}) for number in range(60)]
    for process in processes:
        process.communicate(timeout=120)

    assert [process.returncode for process in processes] == [0, 0]
    assert len(mine) == 60
    for name in ("one", "two", "three"):
        numbers = [record.body["number"] for record in journal.records(subject=name)]
        assert sorted(numbers) == list(range(60))
    assert journal.verify().count == 180


def test_of_two_processes_exactly_one_records_what_can_be_recorded_once(
    journal: Journal, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    arguments = (key_settings.data_path, key_settings.key_file)
    processes = [started(start_python(APPEND_ONCE, *arguments)) for _ in range(2)]
    for process in processes:
        go(process)
    won = [int(process.communicate(timeout=120)[0]) for process in processes]

    assert sum(won) == 30
    assert journal.verify().count == 30


def test_a_killed_process_loses_nothing_that_it_acknowledged(
    journal: Journal, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    acknowledged = 0
    for enough in (1, 17, 40):
        process = started(start_python(APPEND_FOR_EVER, key_settings.data_path, key_settings.key_file))
        go(process)
        assert process.stdout is not None
        for _ in range(enough):
            acknowledged = int(process.stdout.readline())
        process.kill()
        rest = process.stdout.read().split("\n")[:-1]
        acknowledged = max([acknowledged, *map(int, rest)])

        assert journal.verify().count >= acknowledged
        assert [record.sequence for record in journal.records()][:acknowledged] == list(range(1, acknowledged + 1))


def test_nothing_is_left_behind_by_a_closed_journal(journal: Journal, vault: Vault) -> None:
    journal.append("plan", "p1", {})
    journal.close()
    journal.close()

    names = {path.name for path in vault.data_path.iterdir()}
    assert names == {"store.json", "store.lock", "journal.db", "journal.db.lock", "journal.head"}


def test_a_second_journal_of_one_process_costs_no_record_when_another_process_ends(
    journal: Journal, vault: Vault, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    journal.append("plan", "p1", {})
    second = Journal(vault.data_path, vault)
    second.records()
    visitor = started(start_python(LOOK_AND_CLOSE, key_settings.data_path, key_settings.key_file))
    go(visitor)
    visitor.communicate(timeout=60)
    assert visitor.returncode == 0

    journal.append("approval_consumed", "p1", {}, once="a1", power_safe=True)
    late = started(start_python(LOOK_AND_CLOSE, key_settings.data_path, key_settings.key_file))
    go(late)
    assert late.communicate(timeout=60)[0].split() == ["2"]
    second.close()


def altered_in_place(journal: Journal, statement: str) -> None:
    with journal.database.writing() as connection:
        connection.execute(statement)


@pytest.mark.fast
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET once = NULL WHERE sequence = 1",
        "UPDATE records SET once = X'00' WHERE sequence = 1",
        "DELETE FROM records WHERE sequence = 1",
    ],
)
def test_a_key_freed_in_the_file_cannot_be_recorded_again(journal: Journal, vault: Vault, statement: str) -> None:
    journal.append("approval_consumed", "e1", {}, once="a1")
    for number in range(3):
        journal.append("plan", f"p{number}", {})
    journal.append("approval_consumed", "e1", {}, once="a2")
    altered_in_place(journal, statement)

    with pytest.raises(AlreadyRecordedError):  # learned before the file was altered
        journal.append("approval_consumed", "e2", {}, once="a1")
    restarted = Journal(vault.data_path, vault)
    with pytest.raises(JournalError, match="does not verify"):
        restarted.append("approval_consumed", "e2", {}, once="a1")
    restarted.close()


@pytest.mark.fast
def test_a_key_is_verified_among_the_records_that_another_journal_added(journal: Journal, vault: Vault) -> None:
    other = Journal(vault.data_path, vault)
    journal.append("approval_consumed", "e1", {}, once="a1")
    other.append("approval_consumed", "e2", {}, once="a2")

    with pytest.raises(AlreadyRecordedError):
        journal.append("approval_consumed", "e3", {}, once="a2")
    assert journal.append("approval_consumed", "e3", {}, once="a3").sequence == 3
    other.close()


@pytest.mark.fast
@pytest.mark.parametrize(
    ("statement", "filters"),
    [
        ("UPDATE records SET kind = (SELECT kind FROM records WHERE sequence = 1)", {"kind": "approval"}),
        ("UPDATE records SET subject = (SELECT subject FROM records WHERE sequence = 1)", {"subject": "p1"}),
    ],
)
def test_a_record_filed_under_anothers_kind_or_subject_is_refused(
    journal: Journal, statement: str, filters: dict[str, Any]
) -> None:
    journal.append("approval", "p1", {})
    journal.append("rejection", "p2", {})
    altered_in_place(journal, statement)

    with pytest.raises(JournalError, match="kind or subject column of record 2 does not match"):
        journal.records(**filters)
    assert len(journal.records()) == 2


def test_verifying_repairs_an_index_that_hides_records(journal: Journal) -> None:
    """The chain covers the records and not the indexes, by which records of a kind are found."""
    journal.append("plan", "p1", {})
    blind = journal.blind("kind", "plan")
    journal.close()
    path = journal.database.path
    content = bytearray(path.read_bytes())
    content[content.rindex(blind)] ^= 1  # the table's page comes first
    path.write_bytes(content)

    assert journal.records(kind="plan") == []
    assert journal.verify().count == 1
    assert [record.subject for record in journal.records(kind="plan")] == ["p1"]


def test_only_an_empty_journal_is_filled_from_another(journal: Journal) -> None:
    first = journal.append("plan", "p1", {"n": 1})
    contents = [content for _, content in journal.contents()]
    with pytest.raises(JournalError, match="cannot be filled: it has 1 records"):
        journal.fill(contents)
    assert journal.records() == [first]
    assert journal.verify().count == 1


@pytest.fixture
def copy(key_settings: Settings, tmp_path: Path) -> Iterator[Journal]:
    """A second, empty journal, of another store."""
    vault = open_vault(key_settings.model_copy(update={"data_path": tmp_path / "copy"}))
    journal = Journal(vault.data_path, vault)
    yield journal
    journal.close()


def altered_contents(journal: Journal, **changes: str) -> list[dict[str, Any]]:
    """The contents of a journal's records as an earlier version of the package wrote them, with some fields changed."""
    contents = [dict(content) for _, content in journal.contents()]
    return [{**{name: content[name] for name in content if name != "latest"}, **changes} for content in contents]


@pytest.mark.fast
def test_an_empty_journal_takes_the_records_of_another(journal: Journal, copy: Journal) -> None:
    for number in range(3):
        journal.append("plan", f"p{number}", {"number": number}, once=f"o{number}")
    copy.fill(content for _, content in journal.contents())

    assert copy.records() == journal.records()
    assert copy.verify().count == 3
    with pytest.raises(AlreadyRecordedError):
        copy.append("plan", "p4", {}, once="o1")


@pytest.mark.fast
def test_the_latest_time_is_known_from_records_of_an_earlier_version(journal: Journal, copy: Journal) -> None:
    assert copy.latest_time() is None
    journal.append("plan", "p1", {})
    times = [datetime(2026, 5, day, tzinfo=UTC) for day in (1, 3, 2)]
    copy.fill(content for at in times for content in altered_contents(journal, at=at.isoformat()))
    assert copy.latest_time() == times[1]


@pytest.mark.fast
def test_a_journal_without_a_readable_record_knows_no_latest_time(journal: Journal) -> None:
    journal.append("plan", "p1", {})
    altered_in_place(journal, "UPDATE records SET envelope = X'00'")
    assert journal.latest_time() is None
