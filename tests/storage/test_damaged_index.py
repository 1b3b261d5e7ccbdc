"""A damaged index of the engine hides no message; for resources, ``estate/test_integrity.py`` checks that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudops_nb.storage.chat import conversation_blind
from cloudops_nb.storage.engines.schema import CHAT_HISTORY
from tests.storage.damaged_index import replace_in_index

if TYPE_CHECKING:
    from cloudops_nb.storage.facade import StorageService


def test_a_damaged_index_hides_no_message(storage: StorageService) -> None:
    for number in range(4):
        storage.chat.append("talk", "user", f"message {number}")
    context = conversation_blind(storage.vault.blind_index, "talk").encode()
    replace_in_index(storage, CHAT_HISTORY, "context", context, context[::-1])

    assert [message.index for message in storage.chat.history("talk")] == [0, 1, 2, 3]
    assert storage.chat.append("talk", "user", "next").index == 4
