"""The sealed head of the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudops_nb.errors import JournalError
from cloudops_nb.storage.encryption.envelope import Envelope, key_generation
from cloudops_nb.storage.journal.chain import ChainHead
from cloudops_nb.storage.journal.head import HeadFile
from cloudops_nb.storage.keys.master_key import MasterKey, StoreKeys

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast

MASTER = MasterKey(bytes(range(32)))
HEAD = ChainHead(3, bytes(32))


def test_a_head_under_an_older_data_key_is_sealed_again_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.head"
    HeadFile(path, Envelope(StoreKeys(MASTER))).write(HEAD, power_safe=False)
    rotated = HeadFile(path, Envelope(StoreKeys(MASTER, generation=2)))

    assert rotated.reseal() == 1
    assert key_generation(path.read_bytes()) == 2
    assert rotated.read() == HEAD
    assert rotated.reseal() == 0


def test_a_head_under_a_retired_data_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.head"
    HeadFile(path, Envelope(StoreKeys(MASTER))).write(HEAD, power_safe=False)
    with pytest.raises(JournalError, match=r"journal\.head, was changed"):
        HeadFile(path, Envelope(StoreKeys(MASTER, generation=2), oldest=2)).reseal()
