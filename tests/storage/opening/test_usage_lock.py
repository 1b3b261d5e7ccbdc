from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import StoreUnavailableError
from cloudops_nb.storage.opening import usage_lock as module
from cloudops_nb.storage.opening.usage_lock import UsageLock

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys
from pathlib import Path
from cloudops_nb.storage.opening.usage_lock import UsageLock
lock = UsageLock(Path(sys.argv[1]))
lock.share()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(module, "ALONE_SECONDS", 0.2)
    monkeypatch.setattr(module, "SHARED_SECONDS", 0.2)


@pytest.mark.fast
def test_many_share_a_store(tmp_path: Path) -> None:
    for lock in (UsageLock(tmp_path), UsageLock(tmp_path)):
        lock.share()
        lock.share()


@pytest.mark.fast
def test_a_shared_lock_keeps_others_from_the_exclusive_one(tmp_path: Path) -> None:
    other = UsageLock(tmp_path)
    other.share()
    with pytest.raises(StoreUnavailableError, match="in use"), UsageLock(tmp_path).exclusive():
        pytest.fail("there were two")
    other.release()
    with UsageLock(tmp_path).exclusive():
        pass


@pytest.mark.fast
def test_an_exclusive_lock_keeps_others_from_any_lock(tmp_path: Path) -> None:
    with UsageLock(tmp_path).exclusive():
        with pytest.raises(StoreUnavailableError, match="doing maintenance"):
            UsageLock(tmp_path).share()
        with pytest.raises(StoreUnavailableError, match="in use"), UsageLock(tmp_path).exclusive():
            pytest.fail("there were two")
    UsageLock(tmp_path).share()


@pytest.mark.fast
def test_taking_the_exclusive_lock_releases_the_own_shared_one(tmp_path: Path) -> None:
    lock = UsageLock(tmp_path)
    lock.share()
    with lock.exclusive():
        pass
    with UsageLock(tmp_path).exclusive():
        pass


@pytest.mark.fast
def test_the_lock_file_is_private(tmp_path: Path) -> None:
    UsageLock(tmp_path).share()
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]


def test_the_lock_of_a_killed_process_is_released(tmp_path: Path, start_python, monkeypatch) -> None:
    holder = start_python(HOLD, tmp_path)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreUnavailableError), UsageLock(tmp_path).exclusive():
        pytest.fail("there were two")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    monkeypatch.setattr(module, "ALONE_SECONDS", 10.0)
    with UsageLock(tmp_path).exclusive():
        pass
