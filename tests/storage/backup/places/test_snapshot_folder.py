"""Snapshots on this disk: whole or not there."""

from __future__ import annotations

import json
import shutil
import signal
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup import disk
from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
from cloudops_nb.storage.backup.snapshot import Snapshot, checked_kinds, parse_name, snapshot_name

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
WRITE_AND_WAIT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
with SnapshotFolder(Path(sys.argv[1])).create("journal", datetime.now(UTC)) as draft:
    draft.stream.write(b"half")
    draft.stream.flush()
    print("writing", flush=True)
    sys.stdin.readline()
"""
WRITE_TOO_MUCH = """
import json, resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from cloudops_nb.errors import BackupError
from cloudops_nb.storage.backup.places.snapshot_folder import SnapshotFolder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with SnapshotFolder(Path(sys.argv[1])).create("journal", datetime.now(UTC)) as draft:
        for _ in range(100):
            draft.stream.write(bytes(10_000))
except BackupError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture
def place(tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path)


def put(place: SnapshotFolder, kind: str = "journal", created: datetime = NOON) -> Snapshot:
    with place.create(kind, created) as draft:
        draft.stream.write(b"content")
    return draft.snapshot


def files(place: SnapshotFolder) -> list[str]:
    return sorted(path.name for path in place.folder.glob("*/*"))


@pytest.mark.fast
def test_a_snapshot_is_named_after_its_kind_and_second_and_only_its_owner_reads_it(place: SnapshotFolder) -> None:
    snapshot = put(place)

    assert snapshot == Snapshot("journal", "journal_2026-01-02T12-00-00.snapshot", NOON.replace(microsecond=0), 7)
    assert place.snapshots("journal") == [snapshot]
    assert place.path(snapshot).read_bytes() == b"content"
    assert stat.S_IMODE(place.path(snapshot).stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in (place.folder, place.folder / "journal")} == {0o700}


@pytest.mark.fast
def test_a_second_snapshot_of_one_second_replaces_none(place: SnapshotFolder) -> None:
    names = [put(place).name for _ in range(3)]

    assert names == [snapshot_name("journal", NOON + timedelta(seconds=number)) for number in range(3)]
    assert files(place) == names


@pytest.mark.fast
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_leaves_no_file(place: SnapshotFolder, error: type[BaseException]) -> None:
    def broken() -> None:
        with place.create("journal", NOON) as draft:
            draft.stream.write(b"half")
            raise error

    with pytest.raises(error):
        broken()
    assert files(place) == []


@pytest.mark.fast
def test_other_files_are_no_snapshots(place: SnapshotFolder) -> None:
    put(place)
    for name in ("notes.txt", "aws_estate_2026-01-02T12-00-00.snapshot", "journal_2026-13-02T12-00-00.snapshot"):
        (place.folder / "journal" / name).touch()
    (place.folder / "journal" / "journal_2027-01-02T12-00-00.snapshot").mkdir()

    assert [snapshot.name for snapshot in place.snapshots("journal")] == ["journal_2026-01-02T12-00-00.snapshot"]


def test_a_killed_writer_leaves_no_snapshot_and_its_rest_is_removed_later(
    place: SnapshotFolder, tmp_path: Path, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start_python(WRITE_AND_WAIT, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    assert place.clean() == 0
    assert len(files(place)) == 1

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert place.snapshots("journal") == []
    assert place.clean() == 1
    assert files(place) == []


def test_a_full_disk_leaves_no_file_and_one_line(
    place: SnapshotFolder, tmp_path: Path, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    output, _ = start_python(WRITE_TOO_MUCH, tmp_path).communicate(timeout=60)

    why = "the disk is full. Free some space and try again."
    assert json.loads(output) == f"the snapshot of journal was not written: {why}"
    assert files(place) == []


@pytest.mark.fast
def test_twice_the_room_must_be_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10_000_000}))
    disk.require_room(tmp_path, 5_000_000, "it failed")

    with pytest.raises(BackupError, match="it failed: the disk has 10 MB free, and 12 MB are needed"):
        disk.require_room(tmp_path, 6_000_000, "it failed")


@pytest.mark.fast
def test_a_removed_snapshot_is_gone_and_may_be_removed_again(place: SnapshotFolder) -> None:
    snapshot = put(place)
    place.remove(snapshot)
    place.remove(snapshot)

    assert place.snapshots("journal") == []
    with pytest.raises(BackupError, match=r"cannot be read: "), place.opened(snapshot):
        pass


@pytest.mark.fast
def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "snapshots").touch()

    with pytest.raises(BackupError, match=r"Not a directory|File exists"):
        put(SnapshotFolder(tmp_path))


@pytest.mark.fast
@pytest.mark.parametrize("name", ["", "journal.snapshot", "other_2026-01-02T12-00-00.snapshot", "../journal"])
def test_any_other_name_is_none_of_ours(name: str) -> None:
    assert parse_name(name) is None


@pytest.mark.fast
def test_a_name_tells_kind_and_time() -> None:
    assert parse_name(snapshot_name("aws_estate", NOON)) == ("aws_estate", NOON.replace(microsecond=0))


@pytest.mark.fast
def test_kinds_come_in_the_order_of_restoring_and_an_unknown_one_is_refused() -> None:
    assert checked_kinds(("chat_history", "journal")) == ("journal", "chat_history")
    assert checked_kinds(()) == ("journal", "aws_estate", "chat_history")
    with pytest.raises(BackupError, match="everything is not a kind"):
        checked_kinds(("everything",))
