from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import InitialisationError
from cloudops_nb.storage.files.creation_lock import creation_lock

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


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
