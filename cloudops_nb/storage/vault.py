"""The store's keys and what is done with them, opened together: one call for the rest of the storage service."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cloudops_nb.storage.encryption.blind_index import BlindIndex
from cloudops_nb.storage.encryption.envelope import Envelope
from cloudops_nb.storage.files.store_file import StoreFile
from cloudops_nb.storage.keys.master_key import StoreKeys

if TYPE_CHECKING:
    from pathlib import Path

    from cloudops_nb.storage.encryption.vector_rotation import Rotation
    from cloudops_nb.storage.files.store_file import StoreHeader
    from cloudops_nb.storage.keys.master_key import MasterKey


@dataclass(frozen=True)
class Vault:
    """Everything that needs a key; safe to share between threads, never sent to another process.

    ``master`` is the master key and ``keys`` are those split from it, ``envelope`` encrypts, ``blind_index`` makes
    comparable blind values, ``rotation`` turns dense vectors, and ``store_file`` is ``store.json`` in ``data_path``.
    """

    data_path: Path
    store_file: StoreFile
    master: MasterKey
    keys: StoreKeys
    envelope: Envelope
    blind_index: BlindIndex

    @cached_property
    def rotation(self) -> Rotation:
        """The rotation of dense vectors; made at first use, because opening a store does not need NumPy."""
        from cloudops_nb.storage.encryption.vector_rotation import Rotation

        return Rotation(self.keys)


def vault_of(data_path: Path, header: StoreHeader, master: MasterKey) -> Vault:
    """Return the vault of a header and a key; for a store that is being rebuilt under them, or was."""
    keys = StoreKeys(master, header.data_key_generation)
    envelope = Envelope(keys, header.oldest_data_key_generation)
    return Vault(data_path, StoreFile(data_path), master, keys, envelope, BlindIndex(keys))
