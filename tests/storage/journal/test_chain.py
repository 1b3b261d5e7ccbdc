"""Any change of the journal's files without the key makes its verification fail."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cloudops_nb.errors import JournalError, StorageError, StoreCorruptedError
from cloudops_nb.settings import Settings
from cloudops_nb.storage.files.store_file import HEAD_NAME
from cloudops_nb.storage.journal.chain import ChainHead
from cloudops_nb.storage.journal.head import HeadFile
from cloudops_nb.storage.journal.journal import Journal
from cloudops_nb.storage.opening.vault_opening import open_vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cloudops_nb.storage.vault import Vault

pytestmark = pytest.mark.fast

RECORDS = 6
each_example = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def filled(journal: Journal) -> Journal:
    for number in range(RECORDS):
        journal.append("plan", f"p{number}", {"number": number}, once=f"o{number}" if number % 2 else "")
    journal.close()
    return journal


class Copies:
    """Makes copies of a journal, changes them by SQL as an intruder would, and verifies."""

    def __init__(self, journal: Journal, vault: Vault, folder: Path) -> None:
        self._original, self._vault, self._folder = journal.database.path, vault, folder
        self._number = 0

    def verify(self, statements: Sequence[str] = (), values: Sequence[object] = ()) -> int:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        shutil.copy(self._original, folder)
        with closing(sqlite3.connect(folder / "journal.db")) as connection, connection:
            for statement in statements:
                changed = connection.execute(statement, values if "?" in statement else ()).rowcount
                assert changed, statement
        copy = Journal(folder, self._vault)
        try:
            return copy.verify().count
        finally:
            copy.close()


@pytest.fixture
def copies(filled: Journal, vault: Vault, tmp_path: Path) -> Copies:
    return Copies(filled, vault, tmp_path)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Journal]:
    vault = open_vault(Settings(data_path=tmp_path / "strange", key_file=tmp_path / "strange.key"))
    journal = Journal(vault.data_path, vault)
    yield journal
    journal.close()


def test_an_untouched_copy_verifies(copies: Copies) -> None:
    assert copies.verify() == RECORDS


@each_example
@given(
    sequence=st.integers(1, RECORDS),
    column=st.sampled_from(["kind", "subject", "once", "envelope", "mac"]),
    content=st.one_of(st.binary(max_size=60), st.just("length"), st.just("bit")),
)
def test_any_changed_column_is_found_at_its_record(
    copies: Copies, sequence: int, column: str, content: bytes | str
) -> None:
    first = f"CASE substr({column}, 1, 1) WHEN X'00' THEN X'01' ELSE X'00' END"
    new = {"bit": f"CAST({first} || substr({column}, 2) AS BLOB)", "length": f"CAST({column} || X'00' AS BLOB)"}
    expression = new[content] if isinstance(content, str) else "?"
    if column == "once" and sequence % 2 and isinstance(content, str):
        expression = "X'00'"  # there is nothing to change, so something is put in
    statement = f"UPDATE records SET {column} = {expression} WHERE sequence = {sequence}"  # noqa: S608 - an intruder's

    with pytest.raises(JournalError, match=f"record {sequence} was changed"):
        copies.verify([statement], [content])


@pytest.mark.parametrize("sequence", [2, 4, 6])
def test_a_removed_once_is_found(copies: Copies, sequence: int) -> None:
    with pytest.raises(JournalError, match=f"record {sequence} was changed"):
        copies.verify([f"UPDATE records SET once = NULL WHERE sequence = {sequence}"])  # noqa: S608


@pytest.mark.parametrize("sequence", range(1, RECORDS))
def test_a_record_missing_from_the_middle_is_found(copies: Copies, sequence: int) -> None:
    with pytest.raises(JournalError, match=f"record {sequence} is missing"):
        copies.verify([f"DELETE FROM records WHERE sequence = {sequence}"])  # noqa: S608


@pytest.mark.parametrize("sequence", range(1, RECORDS))
def test_a_gap_that_was_closed_up_is_found(copies: Copies, sequence: int) -> None:
    # Negated first, because SQLite checks the key after each row.
    closing_up = ["UPDATE records SET sequence = -sequence", "UPDATE records SET sequence = -sequence - 1"]
    statements = [f"DELETE FROM records WHERE sequence <= {sequence}", closing_up[0]]  # noqa: S608
    statements.append(f"UPDATE records SET sequence = -sequence - {sequence}")  # noqa: S608

    with pytest.raises(JournalError, match="record 1 was changed"):
        copies.verify(statements)


@pytest.mark.parametrize("first", range(1, RECORDS))
def test_two_records_that_changed_places_are_found(copies: Copies, first: int) -> None:
    swap = [(first, 99), (first + 1, first), (99, first + 1)]

    with pytest.raises(JournalError, match=f"record {first} was changed"):
        copies.verify([f"UPDATE records SET sequence = {new} WHERE sequence = {old}" for old, new in swap])  # noqa: S608


def test_an_inserted_record_is_found(copies: Copies) -> None:
    columns = "kind, subject, NULL, envelope, mac FROM records WHERE sequence = 1"

    with pytest.raises(JournalError, match=f"record {RECORDS + 1} was changed, moved or inserted"):
        copies.verify([f"INSERT INTO records SELECT {RECORDS + 1}, {columns}"])
    with pytest.raises(JournalError, match="record 1 is missing"):
        copies.verify([f"INSERT INTO records SELECT 0, {columns}"])


@pytest.mark.parametrize("left", range(RECORDS))
def test_records_cut_off_the_end_are_found(copies: Copies, left: int) -> None:
    with pytest.raises(JournalError, match=f"ends at record {left}, but had {RECORDS} records"):
        copies.verify([f"DELETE FROM records WHERE sequence > {left}"])  # noqa: S608


def test_a_journal_of_another_key_is_found(filled: Journal, stranger: Journal) -> None:
    shutil.copy(filled.database.path, stranger.database.path)

    with pytest.raises(JournalError, match=r"record 1 was changed, .* or was written under a different key"):
        stranger.verify()
    shutil.copy(filled._head_file.path, stranger._head_file.path)
    with pytest.raises(JournalError, match=r"journal.head, was changed or is encrypted under a different key"):
        stranger.verify()


def test_a_deleted_file_is_found(filled: Journal) -> None:
    filled.database.path.unlink()

    with pytest.raises(JournalError, match="ends at record 0, but had 6 records"):
        filled.verify()
    with pytest.raises(JournalError, match="ends at record 0, but had 6 records"):
        filled.append("plan", "p", {})


def test_an_emptied_file_is_found(filled: Journal) -> None:
    filled.database.path.write_bytes(b"")

    with pytest.raises(JournalError, match="ends at record 0, but had 6 records"):
        filled.verify()


@pytest.mark.parametrize("content", [None, b"", b"\x01" * 122])
def test_a_head_that_is_missing_or_altered_is_found(filled: Journal, content: bytes | None) -> None:
    filled._head_file.path.unlink()
    if content is not None:
        filled._head_file.path.write_bytes(content)

    with pytest.raises(JournalError, match=r"journal.head"):
        filled.verify()
    with pytest.raises(JournalError, match=r"journal.head"):
        filled.append("plan", "p", {})


def test_a_head_that_cannot_be_read_or_written_is_an_error(filled: Journal) -> None:
    head = filled._head_file.read()
    filled._head_file.path.unlink()
    filled._head_file.path.mkdir()

    with pytest.raises(StorageError, match="cannot read"):
        filled.verify()
    with pytest.raises(StorageError, match="cannot write"):
        filled._head_file.write(head, power_safe=True)


@pytest.mark.parametrize("rubbish", [b"CREAT\xc5 TABLE records", b"CREATE TABLE (ecords"])
def test_a_schema_that_is_rubbish_is_damage(filled: Journal, rubbish: bytes) -> None:
    content = filled.database.path.read_bytes()
    filled.database.path.write_bytes(content.replace(b"CREATE TABLE records", rubbish))

    with pytest.raises(StoreCorruptedError, match="is damaged") as caught:
        filled.verify()
    assert "\n" not in str(caught.value)


def test_a_missing_head_of_an_empty_journal_is_found(journal: Journal) -> None:
    journal._head_file.path.unlink()

    with pytest.raises(JournalError, match=r"journal.head, is missing"):
        journal.verify()


def test_nothing_is_added_to_a_journal_that_was_cut_short(filled: Journal) -> None:
    with filled.database.writing() as connection:
        connection.execute("DELETE FROM records WHERE sequence = 6")

    with pytest.raises(JournalError, match="ends at record 5, but had 6 records"):
        filled.append("plan", "p", {})
    with pytest.raises(JournalError, match="ends at record 5, but had 6 records"):
        filled.verify()


def test_nothing_is_added_after_another_last_record(filled: Journal) -> None:
    with filled.database.writing() as connection:
        connection.execute("UPDATE records SET mac = X'00' WHERE sequence = 6")

    with pytest.raises(JournalError, match="record 6 does not match its saved head"):
        filled.append("plan", "p", {})


def test_a_process_that_died_before_it_sealed_the_head_left_a_good_journal(
    filled: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(filled, "_seal", dies)
        with pytest.raises(KeyboardInterrupt):
            filled.append("plan", "p6", {})
    assert filled._head_file.read().count == RECORDS

    assert filled.verify().count == RECORDS + 1
    filled.append("plan", "p7", {})
    assert filled.verify().count == filled._head_file.read().count == RECORDS + 2


def test_a_record_put_behind_the_sealed_one_is_found_before_anything_follows_it(filled: Journal) -> None:
    with filled.database.writing() as connection:
        columns = "kind, subject, NULL, envelope, mac FROM records WHERE sequence = 6"
        connection.execute(f"INSERT INTO records SELECT 7, {columns}")

    with pytest.raises(JournalError, match="record 7 was changed, moved or inserted"):
        filled.append("plan", "p", {})
    assert filled._head_file.read().count == RECORDS


@pytest.mark.parametrize("power_safe", [True, False])
def test_a_slower_writer_never_puts_an_older_head_back(filled: Journal, *, power_safe: bool) -> None:
    newest = filled._head_file.read()
    filled._seal(ChainHead(2, b"2" * 32), power_safe=power_safe)

    assert filled._head_file.read() == newest


@pytest.mark.parametrize("power_safe", [True, False])
def test_a_slower_writer_makes_the_newer_head_as_safe_as_its_own_record(
    filled: Journal, vault: Vault, monkeypatch: pytest.MonkeyPatch, *, power_safe: bool
) -> None:
    written: list[tuple[int, bool]] = []
    other, seal, write = Journal(vault.data_path, vault), filled._seal, HeadFile.write

    def overtaken(head: ChainHead, *, power_safe: bool) -> None:
        other.append("plan", "faster", {})
        seal(head, power_safe=power_safe)

    def watched(file: HeadFile, head: ChainHead, *, power_safe: bool) -> None:
        written.append((head.count, power_safe))
        write(file, head, power_safe=power_safe)

    monkeypatch.setattr(filled, "_seal", overtaken)
    monkeypatch.setattr(HeadFile, "write", watched)
    slower = filled.append("plan", "slower", {}, power_safe=power_safe).sequence
    assert written == [(slower + 1, False), *([(slower + 1, True)] if power_safe else [])]
    assert filled.verify().count == slower + 1
    other.close()


def test_nothing_is_added_to_an_empty_journal_whose_head_is_of_another_chain(journal: Journal, vault: Vault) -> None:
    HeadFile(vault.data_path / HEAD_NAME, vault.envelope).write(ChainHead(0, bytes(32)), power_safe=True)
    with pytest.raises(JournalError, match="record 0 does not match its saved head"):
        journal.append("plan", "p1", {})
    assert journal.records() == []


def test_an_older_state_of_all_files_shows_against_an_exported_head(filled: Journal) -> None:
    older = [(path, path.read_bytes()) for path in (filled.database.path, filled._head_file.path)]
    early = filled.export_head()
    filled.append("plan", "p6", {})
    late = filled.export_head()
    assert filled.verify(against=early).count == filled.verify(against=late).count == RECORDS + 1
    filled.close()
    for path, content in older:
        path.write_bytes(content)

    assert filled.verify(against=early).count == RECORDS
    with pytest.raises(JournalError, match="ends at record 6, but had 7 records"):
        filled.verify(against=late)
    filled.append("plan", "other", {})
    with pytest.raises(JournalError, match="record 7 does not match its saved head"):
        filled.verify(against=late)


def test_a_damaged_journal_exports_no_head(filled: Journal) -> None:
    with filled.database.writing() as connection:
        connection.execute("UPDATE records SET kind = X'00' WHERE sequence = 2")

    with pytest.raises(JournalError, match="record 2"):
        filled.export_head()


@pytest.mark.parametrize("text", ["6", "six:00", "6:00", "6:zz", f"-1:{'00' * 32}", ":"])
def test_what_is_no_exported_head_is_refused(filled: Journal, text: str) -> None:
    with pytest.raises(JournalError, match="the exported head is invalid"):
        filled.verify(against=text)


@given(count=st.integers(0, 2**62), mac=st.binary(min_size=32, max_size=32))
def test_a_head_reads_back_from_its_text(count: int, mac: bytes) -> None:
    head = ChainHead(count, mac)

    assert ChainHead.parse(f" {head}\n") == head


@each_example
@given(data=st.data())
def test_damage_anywhere_in_the_file_never_passes_for_another_content(
    filled: Journal, vault: Vault, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(filled.database.path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "journal.db").write_bytes(content)
    copy = Journal(folder, vault)
    try:
        verified = copy.verify().count
    except StorageError as error:
        verified = RECORDS if "\n" not in str(error) else -1
    finally:
        copy.close()

    assert verified == RECORDS


class JournalModel(RuleBasedStateMachine):
    """A journal and an intruder: it verifies exactly as long as it is untouched, and holds the appended records."""

    journal: Journal
    folder: Path

    @initialize()
    def open(self) -> None:
        vault = open_vault(Settings(data_path=self.folder / "store", key_file=self.folder / "key"))
        self.journal = Journal(vault.data_path, vault)
        self.appended: list[tuple[str, int]] = []
        self.exported = self.journal.export_head()
        self.touched = False

    @precondition(lambda self: not self.touched)
    @rule(kind=st.sampled_from(["plan", "egress"]), number=st.integers(), power_safe=st.booleans())
    def append(self, kind: str, number: int, *, power_safe: bool) -> None:
        record = self.journal.append(kind, "subject", {"number": number}, power_safe=power_safe)
        self.appended.append((kind, number))
        assert record.sequence == len(self.appended)

    @precondition(lambda self: not self.touched)
    @rule()
    def export(self) -> None:
        self.exported = self.journal.export_head()

    @rule()
    def reopen(self) -> None:
        self.journal.close()

    @precondition(lambda self: not self.touched and self.appended)
    @rule(data=st.data(), act=st.sampled_from(["DELETE FROM records", "UPDATE records SET subject = X'41'"]))
    def intrude(self, data: st.DataObject, act: str) -> None:
        sequence = data.draw(st.integers(1, len(self.appended)))
        with self.journal.database.writing() as connection:
            connection.execute(f"{act} WHERE sequence = ?", (sequence,))
        self.touched = True

    @invariant()
    def verifies_unless_touched(self) -> None:
        if self.touched:
            with pytest.raises(JournalError):
                self.journal.verify()
            return
        assert self.journal.verify(against=self.exported).count == len(self.appended)
        assert [(record.kind, record.body["number"]) for record in self.journal.records()] == self.appended

    def teardown(self) -> None:
        self.journal.close()
        shutil.rmtree(self.folder)


def test_it_verifies_exactly_as_long_as_it_is_untouched(tmp_path_factory: pytest.TempPathFactory) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    class InAFolder(JournalModel):
        def __init__(self) -> None:
            super().__init__()
            self.folder = tmp_path_factory.mktemp("model")

    run_state_machine_as_test(InAFolder, settings=settings(max_examples=30, stateful_step_count=15, deadline=None))
