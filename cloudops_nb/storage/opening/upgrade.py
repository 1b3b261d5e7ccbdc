"""Upgrades a store that an older version wrote to the current format, one version at a time.

A step stages the changed parts. The handover makes them live together with the new ``store.json``: before it the older
version can still open the store, and a killed process leaves one version or the other, complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudops_nb.storage.engines.schema import COLLECTIONS
from cloudops_nb.storage.files.private_files import replace_private
from cloudops_nb.storage.files.store_file import FORMAT, STORE_NAME, StoreFile, with_store_id
from cloudops_nb.storage.opening.handover import discard_leftovers, hand_over, next_file
from cloudops_nb.storage.opening.numbered_points import stage_numbered_estate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.files.store_file import StoreHeader

    #: Stages the parts that differ in the next format, and returns the next header, except its format number.
    Step = Callable[[Settings, VectorStore, StoreHeader], StoreHeader]


def _from_1_to_2(_settings: Settings, _store: VectorStore, header: StoreHeader) -> StoreHeader:
    """From 1 to 2: the header gets the engine, the oldest data key and an id; format 1 had only the embedded engine."""
    return with_store_id(header)


def _from_2_to_3(_settings: Settings, store: VectorStore, header: StoreHeader) -> StoreHeader:
    """From 2 to 3: the estate's blind values become numbers in two lists."""
    stage_numbered_estate(store)
    return header


#: The steps by the format that they start from.
STEPS: Final[Mapping[int, Step]] = {1: _from_1_to_2, 2: _from_2_to_3}


def upgrade(settings: Settings, store: VectorStore, steps: Mapping[int, Step] = STEPS) -> None:
    """Upgrade the store to the current format, if it is older; the caller holds the store exclusively.

    Raises:
        StorageError: A step failed; the store is as it was before that step.
    """
    store_file = StoreFile(settings.data_path)
    while (header := store_file.read()) is not None and header.format < FORMAT:
        discard_leftovers(settings.data_path, store)
        following = steps[header.format](settings, store, header).model_copy(update={"format": header.format + 1})
        content = following.model_dump_json(indent=2).encode() + b"\n"
        replace_private(next_file(settings.data_path, STORE_NAME), content)
        # Adopting a collection that no step staged changes nothing.
        hand_over(settings.data_path, store, list(COLLECTIONS))
