from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cloudops_nb.errors import CloudOpsWarning, EncryptionError
from cloudops_nb.storage.keys.key_sources import EnvironmentSource, FileSource, KeySource, verify_saved
from cloudops_nb.storage.keys.master_key import MasterKey

pytestmark = pytest.mark.fast

KEY = MasterKey(bytes(range(32)))


def test_a_key_file_keeps_a_key_privately(tmp_path: Path) -> None:
    source = FileSource(tmp_path / "folder" / "encryption.key")
    assert source.load() is None
    source.save(KEY)

    assert source.load() == KEY
    assert source.path.read_text() == KEY.hex() + "\n"
    assert stat.S_IMODE(source.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(source.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601])
def test_a_key_file_that_others_can_reach_is_refused_with_the_way_out(tmp_path: Path, mode: int) -> None:
    source = FileSource(tmp_path / "key")
    source.save(KEY)
    source.path.chmod(mode)

    with pytest.raises(EncryptionError, match=f"Run: chmod 600 {source.path}") as caught:
        source.load()
    assert KEY.hex() not in str(caught.value)


def test_a_key_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = FileSource(tmp_path / "key")
    source.save(KEY)
    me = os.geteuid()
    if me == 0:
        os.chown(source.path, 65534, 65534)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)

    with pytest.raises(EncryptionError, match="it belongs to another user"):
        source.load()


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 64, b"g" * 64, b"a" * 5000])
def test_a_key_file_with_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)

    with pytest.raises(EncryptionError, match="64 hexadecimal digits"):
        FileSource(path).load()


def test_a_key_file_that_cannot_be_read_is_an_error_and_not_an_absence(tmp_path: Path) -> None:
    with pytest.raises(EncryptionError, match="cannot read the key file"):
        FileSource(tmp_path).load()


def test_a_key_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EncryptionError, match="cannot write the key file"):
        FileSource(tmp_path / "file" / "key").save(KEY)


def test_the_environment_gives_a_key_with_a_warning() -> None:
    source = EnvironmentSource({"CLOUDOPS_ENCRYPTION_KEY": KEY.hex()})

    with pytest.warns(CloudOpsWarning, match="use a keyring or a key file instead") as caught:
        assert source.load() == KEY
    assert KEY.hex() not in str(caught[0].message)


def test_an_unset_variable_is_no_key_and_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDOPS_ENCRYPTION_KEY", raising=False)

    assert EnvironmentSource().load() is None
    assert EnvironmentSource({"CLOUDOPS_ENCRYPTION_KEY": ""}).load() is None


def test_a_malformed_variable_is_refused() -> None:
    with pytest.warns(CloudOpsWarning), pytest.raises(EncryptionError, match="CLOUDOPS_ENCRYPTION_KEY"):
        EnvironmentSource({"CLOUDOPS_ENCRYPTION_KEY": "secret"}).load()


def test_the_environment_keeps_nothing() -> None:
    assert not EnvironmentSource({}).writable
    with pytest.raises(EncryptionError, match="cannot be saved") as caught:
        EnvironmentSource({}).save(KEY)
    assert KEY.hex() not in str(caught.value)


@pytest.mark.parametrize("kept", [None, MasterKey(bytes(32))])
def test_a_key_that_does_not_read_back_was_not_kept(kept: MasterKey | None, monkeypatch: pytest.MonkeyPatch) -> None:
    source = FileSource(Path("unused"))
    monkeypatch.setattr(source, "load", lambda: kept)

    with pytest.raises(EncryptionError, match="did not save the new key"):
        verify_saved(source, KEY)


def test_a_second_key_is_in_a_slot_next_to_the_first(tmp_path: Path) -> None:
    source, other = FileSource(tmp_path / "key"), MasterKey(bytes(32))
    source.save(KEY)
    slot = source.slot("f" * 32)
    slot.save(other)

    assert (source.load(), slot.load()) == (KEY, other)
    assert stat.S_IMODE((tmp_path / f"key.{'f' * 32}").stat().st_mode) == 0o600
    slot.remove()
    slot.remove()
    assert (source.load(), slot.load()) == (KEY, None)


def test_a_key_that_was_never_there_is_removed_already(tmp_path: Path) -> None:
    FileSource(tmp_path / "nowhere" / "key").remove()


def test_a_key_file_that_cannot_be_removed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()

    with pytest.raises(EncryptionError, match="cannot remove the key file"):
        FileSource(tmp_path / "key").remove()


def test_the_environment_has_no_second_place_and_removes_nothing() -> None:
    source: KeySource = EnvironmentSource({})
    assert source.slot("f" * 32) is None
    with pytest.raises(EncryptionError, match="Remove the variable where it is defined"):
        source.remove()
