"""Upgrades a store of an older format to the current format, one format at a time.

A step builds the changed parts next to the live ones. A handover (see ``handover``) then makes these parts and the new
``store.json`` live, either all or none. Until the handover is committed, the older version of this package can still
open the store. If the process is killed, the store is still complete, in either the old format or the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloudops_nb.storage.engines.schema import AWS_ESTATE, COLLECTIONS
from cloudops_nb.storage.files.private_files import replace_private
from cloudops_nb.storage.files.store_file import FORMAT, STORE_NAME, StoreFile, with_store_id
from cloudops_nb.storage.keys.key_lookup import find_master_key
from cloudops_nb.storage.opening.bound_points import BoundPointsConverter
from cloudops_nb.storage.opening.handover import discard_leftovers, hand_over, next_file
from cloudops_nb.storage.opening.numbered_points import numbered_point
from cloudops_nb.storage.opening.staged_copy import stage_copy
from cloudops_nb.storage.vault import vault_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloudops_nb.settings import Settings
    from cloudops_nb.storage.engines.vector_store import VectorStore
    from cloudops_nb.storage.files.store_file import StoreHeader

    #: Builds the parts that differ in the next format, and returns the next header, still with the old format number.
    Step = Callable[[Settings, VectorStore, StoreHeader], StoreHeader]


def _from_1_to_2(_settings: Settings, _store: VectorStore, header: StoreHeader) -> StoreHeader:
    """Add a store id; the defaults of the other new fields are right, because every format 1 store is embedded."""
    return with_store_id(header)


def _from_2_to_3(_settings: Settings, store: VectorStore, header: StoreHeader) -> StoreHeader:
    """Convert the estate's blind values (keyed hashes of the fields' values) from texts to numbers."""
    stage_copy(store, AWS_ESTATE, lambda points: [numbered_point(point) for point in points])
    return header


def _from_3_to_4(settings: Settings, store: VectorStore, header: StoreHeader) -> StoreHeader:
    """Bind the estate's envelopes to the blind values of their points, and make room for more fields."""
    vault = vault_of(settings.data_path, header, find_master_key(settings, header.key_fingerprint))
    stage_copy(store, AWS_ESTATE, BoundPointsConverter(vault))
    return header


#: For each older format, the step that upgrades a store from it to the next one.
STEPS: Final[Mapping[int, Step]] = {1: _from_1_to_2, 2: _from_2_to_3, 3: _from_3_to_4}


def upgrade(settings: Settings, store: VectorStore, steps: Mapping[int, Step] = STEPS) -> None:
    """Upgrade the store to the current format if it has an older one; the caller holds the store exclusively.

    Raises:
        EncryptionError: The store's key is needed and cannot be found.
        StorageError: A step failed, and the store is still in the format before that step; or a handover failed after
            its commit, and the next opening of the store finishes it.
    """
    store_file = StoreFile(settings.data_path)
    while (header := store_file.read()) is not None and header.format < FORMAT:
        discard_leftovers(settings.data_path, store)
        next_header = steps[header.format](settings, store, header).model_copy(update={"format": header.format + 1})
        replace_private(next_file(settings.data_path, STORE_NAME), next_header.file_content())
        # A collection for which the step has staged no successor stays as it is.
        hand_over(settings.data_path, store, list(COLLECTIONS))
