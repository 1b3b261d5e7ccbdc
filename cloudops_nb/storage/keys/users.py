"""Which stores of this user open with which key: stores may share one, and it must outlive the last of them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloudops_nb.errors import StorageError
from cloudops_nb.storage.creation_lock import creation_lock
from cloudops_nb.storage.private_files import replace_private
from cloudops_nb.storage.store_file import StoreFile

if TYPE_CHECKING:
    from collections.abc import Collection


class _List(BaseModel):
    """The fingerprint of each data path's key, and the keys whose every store was noted from the first one on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stores: dict[str, str] = Field(default_factory=dict)
    followed: frozenset[str] = frozenset()


class KeyUsers:
    """A list beside the key file; safe from several processes.

    It is a memory, not a gate: where it cannot be written, stores open all the same. What it does not know counts as
    in use, because a key that is kept too long does less harm than one that is gone.
    """

    def __init__(self, key_file: Path) -> None:
        self.path = key_file.with_name(f"{key_file.name}.stores")
        self._lock = self.path.with_name(f"{self.path.name}.lock")

    def note(self, data_path: Path, fingerprint: str) -> None:
        """Remember that a store opens with a key."""
        if self._read().stores.get(str(data_path)) != fingerprint:
            self._update(stores={str(data_path): fingerprint})

    def follow(self, fingerprint: str) -> None:
        """Remember that a key was just made, so that every store of it will be noted."""
        self._update(followed={fingerprint})

    def why_needed(self, data_path: Path, fingerprint: str) -> str:
        """Say why a key may be needed by others than one store; empty if nobody else can need it."""
        known = self._read()
        if fingerprint not in known.followed:
            return "a store that was not opened for long may need it"
        noted = [Path(path) for path, key in known.stores.items() if key == fingerprint]
        others = [str(path) for path in noted if path != data_path and _needs(path, fingerprint)]
        return f"the store in {' and in '.join(others)} needs it" if others else ""

    def _update(self, stores: dict[str, str] | None = None, followed: Collection[str] = ()) -> None:
        with contextlib.suppress(OSError, StorageError), creation_lock(self._lock):
            known = self._read()
            known = _List(stores={**known.stores, **(stores or {})}, followed=known.followed | set(followed))
            replace_private(self.path, known.model_dump_json(indent=2).encode(), synced=False)

    def _read(self) -> _List:
        try:
            return _List.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return _List()


def _needs(data_path: Path, fingerprint: str) -> bool:
    try:
        header = StoreFile(data_path).read()
    except StorageError:
        return True
    # A path without a store may be a disk that is not mounted.
    return header is None or header.key_fingerprint == fingerprint
