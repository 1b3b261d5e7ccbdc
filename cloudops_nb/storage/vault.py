"""The vault: a store's keys, and the objects that encrypt values, hash values and rotate vectors with these keys."""

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
    """A store's keys and the objects that use them; safe to share between threads, never sent to another process.

    ``master`` is the master key, and ``keys`` are derived from it. ``envelope`` encrypts values, ``blind_index``
    computes blind values (keyed hashes that can be compared), and ``rotation`` rotates dense vectors. ``store_file``
    reads and writes ``store.json`` in ``data_path``.
    """

    data_path: Path
    store_file: StoreFile
    master: MasterKey
    keys: StoreKeys
    envelope: Envelope
    blind_index: BlindIndex

    @cached_property
    def rotation(self) -> Rotation:
        """The rotation of dense vectors; created at first use, because opening a store must not import NumPy."""
        from cloudops_nb.storage.encryption.vector_rotation import Rotation

        return Rotation(self.keys)


def vault_of(data_path: Path, header: StoreHeader, master: MasterKey) -> Vault:
    """Return the vault for a store's header (``store.json``) and master key, without reading or writing a file."""
    keys = StoreKeys(master, header.data_key_generation)
    envelope = Envelope(keys, header.oldest_data_key_generation)
    return Vault(data_path, StoreFile(data_path), master, keys, envelope, BlindIndex(keys))
