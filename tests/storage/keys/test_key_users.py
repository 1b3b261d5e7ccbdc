"""Which stores need a key: a key is taken away only when no other store can need it."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.storage.keys.users import KeyUsers
from cloudops_nb.storage.store_file import StoreFile, StoreHeader

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

ONE, OTHER = "1" * 32, "2" * 32


@pytest.fixture
def users(tmp_path: Path) -> KeyUsers:
    return KeyUsers(tmp_path / "config" / "encryption.key")


def store(path: Path, fingerprint: str) -> Path:
    path.mkdir()
    StoreFile(path).write(StoreHeader(created=datetime.now(UTC), key_fingerprint=fingerprint))
    return path


def test_the_other_stores_of_a_key_are_known(users: KeyUsers, tmp_path: Path) -> None:
    one, two, three = store(tmp_path / "a", ONE), store(tmp_path / "b", ONE), store(tmp_path / "c", OTHER)
    users.follow(ONE)
    users.follow(OTHER)
    for path, fingerprint in ((one, ONE), (two, ONE), (three, OTHER), (one, ONE)):
        users.note(path, fingerprint)

    assert users.why_needed(one, ONE) == f"the store in {two} needs it"
    assert users.why_needed(three, OTHER) == ""
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600


def test_a_store_that_went_over_to_another_key_no_longer_needs_it(users: KeyUsers, tmp_path: Path) -> None:
    one, two = store(tmp_path / "a", ONE), store(tmp_path / "b", OTHER)
    users.follow(ONE)
    users.note(two, ONE)

    assert users.why_needed(one, ONE) == ""


@pytest.mark.parametrize("content", [None, "rubbish", '{"format": 99}'])
def test_a_store_that_cannot_be_read_just_now_counts(users: KeyUsers, tmp_path: Path, content: str | None) -> None:
    away = tmp_path / "unmounted"
    users.follow(ONE)
    users.note(away, ONE)
    if content is not None:
        away.mkdir()
        (away / "store.json").write_text(content)

    assert str(away) in users.why_needed(tmp_path / "a", ONE)


def test_a_key_from_before_the_list_may_be_needed_by_anybody(users: KeyUsers, tmp_path: Path) -> None:
    users.note(store(tmp_path / "a", ONE), ONE)

    assert "not opened for long" in users.why_needed(tmp_path / "a", ONE)


def test_a_list_that_cannot_be_written_or_read_stops_nobody_and_frees_no_key(users: KeyUsers, tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    users.note(tmp_path / "a", ONE)
    users.follow(ONE)
    assert users.why_needed(tmp_path / "a", ONE)

    (tmp_path / "config").unlink()
    users.follow(ONE)
    users.path.write_text("rubbish")
    users.note(tmp_path / "a", ONE)
    assert users.why_needed(tmp_path / "a", ONE)
