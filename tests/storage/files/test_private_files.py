from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import InitialisationError
from cloudops_nb.storage.files import private_files
from cloudops_nb.storage.files.private_files import create_private, creation_lock, open_to_others, replace_private

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_created_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create_private(tmp_path / "created")
        replace_private(tmp_path / "replaced", b"content")
    finally:
        os.umask(before)

    assert mode(tmp_path / "created") == mode(tmp_path / "replaced") == 0o600


def test_creating_leaves_an_existing_file_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    create_private(tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("synced", [True, False])
def test_replacing_narrows_the_mode_and_changes_the_whole_content(tmp_path: Path, synced: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a much longer content")
    path.chmod(0o644)
    replace_private(path, b"new", synced=synced)

    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600


def test_a_failed_replacement_leaves_the_old_content_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_private(tmp_path / "file", b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        replace_private(tmp_path / "file", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_modes_mean_nothing_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    assert open_to_others(tmp_path.stat())

    monkeypatch.setattr(private_files, "POSIX", False)
    assert not open_to_others(tmp_path.stat())


def test_creating_what_exists_drops_no_lock_that_the_process_holds_on_it(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        create_private(tmp_path / "file")
        program = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'ab'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        other = subprocess.run([sys.executable, "-c", program, tmp_path / "file"], capture_output=True, check=False)

    assert b"BlockingIOError" in other.stderr


def test_a_second_holder_waits_and_then_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with creation_lock(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        with pytest.raises(InitialisationError, match="another process is holding it"), creation_lock(path, seconds=0):
            pass

    with creation_lock(path, seconds=0):
        pass


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InitialisationError, match="cannot lock"), creation_lock(tmp_path / "file" / "lock"):
        pass
