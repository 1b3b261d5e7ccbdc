"""The seal of the scan state: every change without the key shows, and no write of the program does."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudops_nb.model import CellKey, CellResult, CellState, LearnedRate
from cloudops_nb.storage.files.database import Database
from cloudops_nb.storage.journal.scan_anchor import SCAN_ENDED, TURN, ScanAnchor
from cloudops_nb.storage.opening.vault_opening import open_vault
from cloudops_nb.storage.scan_state import ScanState
from tests.storage.conftest import pipes_of, quick_folder

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Sequence

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.journal.journal import Journal
    from cloudops_nb.storage.vault import Vault

pytestmark = pytest.mark.fast

ACCOUNT, REGION = "123456789012", "eu-west-1"
START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = [CellKey(ACCOUNT, REGION, f"type_{number}") for number in range(6)]
Rows = list[tuple[str, bytes]]

WRITING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from cloudops_nb.model import CellKey, CellResult, CellState
from cloudops_nb.settings import Settings
from cloudops_nb.storage.files.database import Database
from cloudops_nb.storage.opening.vault_opening import open_vault
from cloudops_nb.storage.scan_state import ScanState

path, key, first = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
state = ScanState(Database(path / "journal.db"), open_vault(Settings(data_path=path, key_file=key)))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[4])):
    keys = [CellKey("123456789012", "eu-west-1", f"type_{first + (number + each) % 50}") for each in range(3)]
    state.put_all(CellResult(key, CellState.OK, datetime.now(UTC), float(number)) for key in keys)
print("done", flush=True)
"""


def result(key: CellKey, seconds: float = 1.0) -> CellResult:
    return CellResult(key, CellState.OK, START, seconds)


def stored(database: Database) -> Rows:
    with database.reading() as connection:
        return connection.execute("SELECT cell, envelope FROM cells ORDER BY cell").fetchall()


def replaced(database: Database, rows: Rows) -> None:
    """Put rows in place of the table's, as a person without the key can."""
    with database.writing() as connection:
        connection.execute("DELETE FROM cells")
        connection.executemany("INSERT INTO cells VALUES (?, ?)", rows)


def sql(database: Database, statement: str, *values: Any) -> None:
    with database.writing() as connection:
        connection.execute(statement, values)


def end_of_scan(journal: Journal, state: ScanState) -> None:
    """Note the scan state's turn in the journal, as the end of a scan does."""
    journal.append(SCAN_ENDED, "scan", {TURN: state.turn()})


@pytest.fixture
def anchored(journal: Journal, vault: Vault) -> Callable[[], ScanState]:
    """Open the scan state as a program does that knows the journal only."""
    return lambda: ScanState(journal.database, vault, ScanAnchor(journal, vault))


@pytest.fixture
def state(anchored: Callable[[], ScanState]) -> ScanState:
    """A scan state with six records, each written twice."""
    state = anchored()
    assert state.alteration() == ""
    for seconds in (1.0, 2.0):
        state.put_all(result(key, seconds) for key in KEYS)
    assert (state.alteration(), len(state.cells())) == ("", 6)
    return state


class TestAlterations:
    def test_a_record_that_was_removed_shows(self, state: ScanState, journal: Journal) -> None:
        sql(journal.database, "DELETE FROM cells WHERE cell = ?", state._blind_name(KEYS[0]))
        assert state.alteration() == "1 of 6 records are missing"

    def test_a_table_without_records_shows(self, state: ScanState, journal: Journal) -> None:
        sql(journal.database, "DELETE FROM cells WHERE cell != ?", state._seal.name)
        assert state.alteration() == "6 of 6 records are missing"

    def test_a_damaged_record_shows_and_hides_no_other(self, state: ScanState, journal: Journal) -> None:
        (name, envelope), *_ = state._seal.records(stored(journal.database))
        damaged = envelope[:-1] + bytes([envelope[-1] ^ 1])
        sql(journal.database, "UPDATE cells SET envelope = ? WHERE cell = ?", damaged, name)
        assert state.alteration() == "records were changed"
        assert len(state.cells()) == 5
        state.put_all(map(result, KEYS))
        assert len(state.cells()) == 6

    def test_an_older_copy_of_a_record_shows(self, state: ScanState, journal: Journal) -> None:
        name = state._blind_name(KEYS[0])
        older = dict(stored(journal.database))[name]
        state.put(result(KEYS[0], 3.0))
        sql(journal.database, "UPDATE cells SET envelope = ? WHERE cell = ?", older, name)
        assert state.alteration() == "records were changed"

    def test_a_record_that_was_removed_by_a_program_and_put_back_shows(
        self, state: ScanState, journal: Journal
    ) -> None:
        name = state._blind_name(KEYS[0])
        older = dict(stored(journal.database))[name]
        state.drop([name])
        assert state.alteration() == ""
        sql(journal.database, "INSERT INTO cells VALUES (?, ?)", name, older)
        assert state.alteration() == "1 records were added"

    @pytest.mark.parametrize("later", [0, 1, 50])
    def test_an_older_copy_of_the_whole_table_shows_though_scans_go_on(
        self, state: ScanState, journal: Journal, anchored: Callable[[], ScanState], later: int
    ) -> None:
        older = stored(journal.database)
        for seconds in range(20):
            state.put(result(KEYS[0], seconds))
        end_of_scan(journal, state)
        replaced(journal.database, older)
        other = anchored()
        assert other.alteration() == "it is older than the journal"
        for seconds in range(later):
            other.put(result(KEYS[1], seconds))
        end_of_scan(journal, other)
        assert anchored().alteration() == ("records were changed" if later else "it is older than the journal")

    def test_an_older_copy_of_the_whole_table_shows_to_a_program_that_has_seen_a_newer_one(
        self, state: ScanState, journal: Journal
    ) -> None:
        older = stored(journal.database)
        state.put(result(KEYS[0]))
        replaced(journal.database, older)
        for seconds in range(3):
            state.put(result(KEYS[0], seconds))
        assert state.alteration() == "records were changed"

    def test_a_seal_that_was_removed_or_damaged_shows(
        self, state: ScanState, journal: Journal, anchored: Callable[[], ScanState]
    ) -> None:
        end_of_scan(journal, state)
        sql(journal.database, "UPDATE cells SET envelope = x'00' WHERE cell = ?", state._seal.name)
        assert anchored().alteration() == "its seal cannot be decrypted"
        sql(journal.database, "DELETE FROM cells WHERE cell = ?", state._seal.name)
        assert anchored().alteration() == "its seal is missing"
        sql(journal.database, "DELETE FROM cells")
        assert anchored().alteration() == "its seal is missing"
        for seconds in range(30):
            anchored().put(result(KEYS[0], seconds))
        assert anchored().alteration() == "records were changed"

    def test_a_record_as_the_seal_shows(self, state: ScanState, journal: Journal) -> None:
        record = dict(stored(journal.database))[state._blind_name(KEYS[0])]
        sql(journal.database, "UPDATE cells SET envelope = ? WHERE cell = ?", record, state._seal.name)
        assert state.alteration() == "its seal cannot be decrypted"
        assert len(state.cells()) == 6
        assert state.unreadable(state._envelope) == []

    @pytest.mark.parametrize("removed", [True, False])
    def test_an_alteration_is_accepted_only_by_trust(
        self, state: ScanState, journal: Journal, anchored: Callable[[], ScanState], *, removed: bool
    ) -> None:
        older = stored(journal.database)
        state.put(result(KEYS[0]))
        end_of_scan(journal, state)
        replaced(journal.database, [] if removed else older)
        state = anchored()
        state.put_all(map(result, KEYS))
        state.drop([state._blind_name(KEYS[0])])
        state.reseal()
        end_of_scan(journal, state)
        assert state.alteration() == "records were changed"
        state.trust(lambda _: None)
        end_of_scan(journal, state)
        assert anchored().alteration() == ""


class TestNoAlteration:
    def test_a_store_of_an_earlier_version_gets_a_seal_at_its_first_write(
        self, state: ScanState, journal: Journal, anchored: Callable[[], ScanState]
    ) -> None:
        sql(journal.database, "DELETE FROM cells WHERE cell = ?", state._seal.name)
        for _ in range(9):
            journal.append(SCAN_ENDED, "scan", {"status": "completed"})
        other = anchored()
        assert other.alteration() == ""
        other.put(result(KEYS[0], 5.0))
        assert (other.alteration(), len(other.cells())) == ("", 6)
        end_of_scan(journal, other)
        assert anchored().alteration() == ""

    def test_a_journal_that_cannot_be_read_is_no_alteration(
        self, state: ScanState, journal: Journal, anchored: Callable[[], ScanState]
    ) -> None:
        end_of_scan(journal, state)
        sql(journal.database, "UPDATE records SET envelope = x'00'")
        assert anchored().alteration() == ""
        sql(journal.database, "DROP TABLE records")
        other = anchored()
        other.put(result(KEYS[0]))
        assert other.alteration() == ""

    def test_the_seal_is_no_record(self, state: ScanState) -> None:
        assert (len(state.contents()), len(state.records())) == (6, 6)
        assert state.rates() == []

    def test_the_contents_of_another_scan_state_keep_its_turn_and_an_alteration(
        self, state: ScanState, anchored: Callable[[], ScanState], journal: Journal, vault: Vault
    ) -> None:
        contents, turn = state.contents(), state.turn()
        for altered in (True, False):
            sql(journal.database, "DELETE FROM cells")
            other = ScanState(journal.database, vault)
            other.found(contents, turn=turn, altered=altered)
            assert other.alteration() == ("records were changed" if altered else "")
            assert (other.turn(), len(other.cells())) == (turn + 1, 6)

    def test_a_write_that_was_undone_changes_nothing(self, state: ScanState) -> None:
        def failing(key: CellKey, _: object) -> dict[str, Any]:
            if key == KEYS[1]:
                raise KeyError(key)
            return {}

        with pytest.raises(KeyError):
            state.update(KEYS, failing)
        state.update(KEYS, lambda *_: None)
        assert state.alteration() == ""

    def test_two_programs_that_write_at_once_keep_the_seal_right(
        self, state: ScanState, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
    ) -> None:
        path, key = key_settings.data_path, key_settings.key_file
        programs = [start_python(WRITING, path, key, first, 100) for first in (0, 20)]
        for program in programs:
            assert pipes_of(program)[1].readline() == "ready\n"
        for program in programs:
            pipes_of(program)[0].write("\n")
            pipes_of(program)[0].flush()
        while any(program.poll() is None for program in programs):
            assert state.alteration() == ""
        assert [program.returncode for program in programs] == [0, 0]
        assert (state.alteration(), len(state.cells())) == ("", 70)

    def test_a_killed_writer_leaves_the_seal_right(
        self, state: ScanState, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
    ) -> None:
        for delay in (0.005, 0.02, 0.05):
            program = start_python(WRITING, key_settings.data_path, key_settings.key_file, 0, 10**6)
            writing, reading = pipes_of(program)
            assert reading.readline() == "ready\n"
            before = state.turn()
            writing.write("\n")
            writing.flush()
            while state.turn() == before:
                assert program.poll() is None
            time.sleep(delay)
            program.send_signal(signal.SIGKILL)
            program.wait()
            assert state.alteration() == ""
            state.put(result(KEYS[0]))
            assert state.alteration() == ""


def _rate(number: int) -> LearnedRate:
    return LearnedRate(ACCOUNT, REGION, "ec2", f"group-{number}", 5.0, START)


NUMBERS = st.lists(st.integers(0, 5), max_size=4)
WRITES = st.tuples(st.sampled_from(["put", "update", "rates", "drop", "fill", "reseal", "trust"]), NUMBERS)


def write(state: ScanState, how: str, numbers: Sequence[int]) -> None:
    keys = [KEYS[number] for number in numbers]
    if how == "put":
        state.put_all(map(result, keys))
    elif how == "update":
        state.update(keys, lambda key, content: {**content, "more": 1} if content and key != KEYS[1] else None)
    elif how == "rates":
        state.put_rates([_rate(number) for number in numbers])
    elif how == "drop":
        state.drop([state._blind_name(key) for key in keys])
    elif how == "fill":
        state.fill(state.contents())
    elif how == "reseal":
        state.reseal()
    else:
        state.trust(lambda content: {**content, "rows": None})


@pytest.fixture(scope="module")
def shared() -> Iterator[ScanState]:
    """One vault and file for all examples, which empty the table first."""
    from cloudops_nb.settings import Settings

    with quick_folder() as folder:
        vault = open_vault(Settings(data_path=folder / "store", key_file=folder / "key"))
        with closing(Database(vault.data_path / "journal.db")) as database:
            yield ScanState(database, vault)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(writes=st.lists(WRITES, max_size=12), data=st.data())
def test_writes_of_any_kind_never_show_and_any_other_change_does(
    shared: ScanState, writes: list[tuple[str, list[int]]], data: st.DataObject
) -> None:
    database, name = shared._database, shared._seal.name
    replaced(database, [])
    state = ScanState(database, shared._vault)
    state.put(result(KEYS[0]))
    seen: Rows = []
    for how, numbers in writes:
        seen += stored(database)
        write(state, how, numbers)
        assert state.alteration() == ""
    rows = dict(stored(database))
    assert len(rows) == len(state.contents()) + 1

    chosen = data.draw(st.sampled_from(sorted(rows)))
    change = data.draw(st.sampled_from(["remove", "damage", "rename", "exchange", "older"]))
    altered = dict(rows)
    if change == "remove":
        del altered[chosen]
    elif change == "damage":
        at = data.draw(st.integers(0, len(rows[chosen]) - 1))
        altered[chosen] = rows[chosen][:at] + bytes([rows[chosen][at] ^ 1]) + rows[chosen][at + 1 :]
    elif change == "rename":
        altered[chosen[::-1]] = altered.pop(chosen)
    elif change == "exchange":
        other = data.draw(st.sampled_from(sorted(rows)))
        altered[chosen], altered[other] = rows[other], rows[chosen]
    else:
        older = data.draw(st.sampled_from(seen or [(name, rows[name])]))
        altered[older[0]] = older[1]
    replaced(database, list(altered.items()))
    assert bool(state.alteration()) is (altered != rows)
