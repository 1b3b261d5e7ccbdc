"""kill -9 during a key change or the removal of an account: the store stays complete, and another run finishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudops_nb.model import CellKey
from cloudops_nb.storage.maintenance.account_removal import ACCOUNT_FORGOTTEN, forget_account
from cloudops_nb.storage.maintenance.data_key_rotation import rotate_data_key
from cloudops_nb.storage.maintenance.master_key_change import rekey
from tests.storage.estate.test_integrity import scanned
from tests.storage.filled_store import ACCOUNT, fill, fill_estate, kept_in

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.facade import StorageService

#: Kills itself at the nth opening, renaming or removing of a file in the store; prints how many there were if it ends.
PROGRAM = """
import os, sys
from cloudops_nb.settings import Settings
from cloudops_nb.storage.maintenance.data_key_rotation import rotate_data_key
from cloudops_nb.storage.maintenance.account_removal import forget_account
from cloudops_nb.storage.maintenance.master_key_change import rekey
from cloudops_nb.storage.facade import StorageService

settings = Settings(data_path=sys.argv[2], key_file=sys.argv[3])
storage = StorageService(settings, None)
moments = 0

def count(event, arguments):
    global moments
    changing = event in ("open", "os.rename", "os.remove", "os.mkdir", "sqlite3.connect")
    if changing and sys.argv[2] in str(arguments):
        moments += 1
        if moments == int(sys.argv[4]):
            os.kill(os.getpid(), 9)

assert storage.vault
sys.addaudithook(count)
{"rotate": lambda: rotate_data_key(storage),
 "rekey": lambda: rekey(storage, settings, lambda: "words/1"),
 "forget": lambda: forget_account(storage, "123456789012", list)}[sys.argv[1]]()
print(moments)
"""
KILLS = 5


def records_apart(kept: dict[str, Any]) -> dict[str, Any]:
    """All but the number of records: each attempt that came to its end made one of its own."""
    return {name: value for name, value in kept.items() if name != "journal"}


@pytest.mark.parametrize("operation", ["rotate", "rekey"])
def test_a_store_whose_keys_were_changing_is_whole(
    storage: StorageService,
    key_settings: Settings,
    start_python: Callable[..., subprocess.Popen[str]],
    operation: str,
) -> None:
    fill(storage)
    before = records_apart(kept_in(storage))
    head = storage.journal.export_head()
    place = (key_settings.data_path, key_settings.key_file)
    storage.close()
    whole, _ = start_python(PROGRAM, operation, *place, 0).communicate(timeout=120)
    for number in range(KILLS):
        process = start_python(PROGRAM, operation, *place, int(whole) * (2 * number + 1) // (2 * KILLS))
        process.communicate(timeout=120)
        # A rotation that finishes an interrupted one has less to do, and may end before the kill.
        assert process.returncode == -9 or (operation == "rotate" and number)
        assert records_apart(kept_in(storage)) == before
        storage.journal.verify(against=head)
        storage.close()
    if operation == "rotate":
        rotate_data_key(storage)
    else:
        rekey(storage, key_settings, lambda: "words/1")
    assert records_apart(kept_in(storage)) == before
    storage.journal.verify(against=head)


def test_an_account_that_was_going_is_there_or_gone(
    storage: StorageService, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    place = (key_settings.data_path, key_settings.key_file)
    fill(storage)
    storage.close()
    whole, _ = start_python(PROGRAM, "forget", *place, 0).communicate(timeout=120)
    for number in range(KILLS):
        fill_estate(storage)
        storage.close()
        process = start_python(PROGRAM, "forget", *place, int(whole) * (2 * number + 1) // (2 * KILLS))
        process.communicate(timeout=120)
        assert process.returncode == -9
        assert storage.estate.count() in (0, 6)
        storage.journal.verify()
    forget_account(storage, ACCOUNT, list)
    assert (storage.estate.count(), storage.scan_state.cells()) == (0, [])


def test_no_kill_leaves_cells_of_the_account_without_their_rows(
    storage: StorageService, key_settings: Settings, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    place = (key_settings.data_path, key_settings.key_file)
    going, staying = CellKey(ACCOUNT, "eu-west-1", "ec2_instance"), CellKey("210987654321", "eu-west-1", "ec2_instance")
    scanned(storage, "first", key=staying)
    scanned(storage, "first", key=going)
    head = storage.journal.export_head()
    storage.close()
    whole, _ = start_python(PROGRAM, "forget", *place, 0).communicate(timeout=120)
    for number in range(1, int(whole) + 1):
        if storage.estate.count() == 4:
            scanned(storage, f"scan-{number}", key=going)
        storage.close()
        process = start_python(PROGRAM, "forget", *place, number)
        process.communicate(timeout=120)
        assert process.returncode == -9
        report = storage.estate.integrity.check()
        assert (report.altered, report.unfinished, report.unrecorded, report.strays) == ([], [], [], 0), number
        assert (report.verified, storage.estate.count()) in ((1, 4), (2, 8)), number
        storage.journal.verify(against=head)
    forget_account(storage, ACCOUNT, list)
    assert [cell.key for cell in storage.scan_state.cells()] == [staying]
    assert len(storage.journal.records(kind=ACCOUNT_FORGOTTEN)) >= 2
    storage.journal.verify(against=head)
