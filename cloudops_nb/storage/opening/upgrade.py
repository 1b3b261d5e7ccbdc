"""Upgrades a store that an older version wrote to the current format, one version at a time.

A step builds the changed parts next to the live ones. The handover makes them live together with the new
``store.json``. Until the handover is committed, the older version can still open the store. A killed process leaves the
complete store in either the old format or the new one.
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

    #: Builds the parts that differ in the next format, and returns the header for it, except the format number.
    Step = Callable[[Settings, VectorStore, StoreHeader], StoreHeader]


def _from_1_to_2(_settings: Settings, _store: VectorStore, header: StoreHeader) -> StoreHeader:
    """Add the fields of format 2 to the header; their defaults are right, because format 1 is always embedded."""
    return with_store_id(header)


def _from_2_to_3(_settings: Settings, store: VectorStore, header: StoreHeader) -> StoreHeader:
    """Convert the estate's blind values from texts to numbers in two lists."""
    stage_numbered_estate(store)
    return header


#: The steps by the format that they start from.
STEPS: Final[Mapping[int, Step]] = {1: _from_1_to_2, 2: _from_2_to_3}


def upgrade(settings: Settings, store: VectorStore, steps: Mapping[int, Step] = STEPS) -> None:
    """Upgrade the store to the current format, if it is older; the caller holds the store exclusively.

    Raises:
        StorageError: A step failed; the store is still in the format before that step.
    """
    store_file = StoreFile(settings.data_path)
    while (header := store_file.read()) is not None and header.format < FORMAT:
        discard_leftovers(settings.data_path, store)
        next_header = steps[header.format](settings, store, header).model_copy(update={"format": header.format + 1})
        content = next_header.model_dump_json(indent=2).encode() + b"\n"
        replace_private(next_file(settings.data_path, STORE_NAME), content)
        # The handover leaves a collection as it is if the step has not staged a successor.
        hand_over(settings.data_path, store, list(COLLECTIONS))
