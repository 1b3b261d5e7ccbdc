"""Reads and writes ``store.json``, the unencrypted header of a store, and checks the folder of the store.

The header holds the format version, the store's id and creation time, the fingerprint of the master key, the
generation of the data key, and the location of the Qdrant collections. All other keys are derived from the master key.
Data keys encrypt the store's values. They are numbered: a data key's number is its generation, and a rotation adds 1.
``store.json`` is written before any data, so a folder with data but without ``store.json`` has lost that file.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloudops_nb.errors import InitialisationError, StoreCorruptedError
from cloudops_nb.storage.files.network_file_systems import refuse_network_file_system
from cloudops_nb.storage.files.private_files import POSIX, creation_lock, replace_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

FORMAT: Final = 4
#: The lowest and the highest generation of a data key. Each encrypted value names the generation of its data key. A
#: value that names a generation out of this range was altered, and no data key is derived for it.
FIRST_GENERATION: Final = 1
LAST_GENERATION: Final = 0xFFFF
STORE_NAME = "store.json"
JOURNAL_NAME = "journal.db"
HEAD_NAME = "journal.head"
#: The folder of the embedded Qdrant collections; each collection has a folder in it, called a shard.
SHARDS_NAME = "qdrant"
#: The key in ``store.json`` of a checksum over the other keys: a damaged generation or format would otherwise be used.
_CHECKSUM = "checksum"


class StoreHeader(BaseModel):
    """The content of ``store.json``; ``created`` is in UTC.

    Data keys older than ``oldest_data_key_generation`` are retired: they decrypt only the journal's records, the
    schedule, and values in snapshots (backups).

    If ``engine`` is ``embedded``, the collections are in the store's folder. If it is ``remote``, they are on the
    Qdrant server at ``remote_url``, and their names begin with ``remote_prefix``. ``store_id`` distinguishes the
    store's snapshots from those of other stores with the same key. A store that an earlier version created may have no
    id until :meth:`StoreFile.identify` assigns one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    store_id: str = Field(default="", pattern="^([0-9a-f]{32})?$")
    created: datetime
    key_fingerprint: str = Field(pattern="^[0-9a-f]{32}$")
    data_key_generation: int = Field(default=FIRST_GENERATION, ge=FIRST_GENERATION, le=LAST_GENERATION)
    oldest_data_key_generation: int = Field(default=FIRST_GENERATION, ge=FIRST_GENERATION, le=LAST_GENERATION)
    engine: Literal["embedded", "remote"] = "embedded"
    remote_url: str = ""
    remote_prefix: str = ""

    def file_content(self) -> bytes:
        """Return the content of ``store.json``: the fields, and a checksum of them."""
        content = json.loads(self.model_dump_json())
        return json.dumps({**content, _CHECKSUM: _checksum(content)}, indent=2).encode() + b"\n"


class _Format(BaseModel):
    """The one field that every format has; it is read first, because a newer format may have other fields."""

    format: int = Field(ge=1)


class StoreFile:
    """Reads and writes ``store.json``; writes are atomic, so readers in other processes need no lock."""

    def __init__(self, data_path: Path) -> None:
        self.data_path = data_path
        self.path = data_path / STORE_NAME

    def __repr__(self) -> str:
        return f"StoreFile({str(self.path)!r})"

    def lock(self) -> AbstractContextManager[None]:
        """Return the lock that a process must hold while it creates the store or changes its header.

        Raises:
            InitialisationError: The lock file cannot be created, or another process holds the lock for too long.
        """
        return creation_lock(self.data_path / "store.lock")

    def has_data(self) -> bool:
        """Return whether the folder holds a store or a part of one; a new key is made only if it does not."""
        shards = self.data_path / SHARDS_NAME
        if shards.is_dir() and any(entry.is_dir() for entry in shards.iterdir()):
            return True
        return any((self.data_path / name).exists() for name in (STORE_NAME, JOURNAL_NAME))

    def read(self) -> StoreHeader | None:
        """Return the header, or ``None`` if there is no store yet.

        Raises:
            InitialisationError: The file cannot be read, or a newer version of this package wrote it.
            StoreCorruptedError: The file is damaged.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InitialisationError(f"cannot read {self.path}", error.strerror or "") from error
        try:
            version = _Format.model_validate_json(text).format
            if version > FORMAT:
                why = f"its format is {version}, and this version of cloudops-nb supports up to {FORMAT}"
                raise InitialisationError(f"cannot open the store in {self.data_path}", why, "Upgrade cloudops-nb.")
            content = json.loads(text)
            expected = _checksum(content)
            # The stores of earlier versions have no checksum.
            if content.pop(_CHECKSUM, expected) != expected:
                raise self._damaged("its checksum does not match")
            return StoreHeader.model_validate_json(json.dumps(content))
        except ValidationError as error:
            raise self._damaged(error.errors(include_url=False, include_input=False)[0]["msg"]) from None

    def _damaged(self, why: str) -> StoreCorruptedError:
        return StoreCorruptedError(f"{self.path} is damaged", why, starting_over_advice(self.data_path))

    def outdated(self) -> bool:
        """Return whether there is a store whose format is older than :data:`FORMAT`; raises as :meth:`read` does."""
        header = self.read()
        return header is not None and header.format < FORMAT

    def identify(self) -> str:
        """Return the store's id, or an empty text if there is no store; a store without an id gets one.

        Raises:
            InitialisationError: As :meth:`lock`, :meth:`read` and :meth:`write`.
            StoreCorruptedError: As :meth:`read`.
        """
        header = self.read()
        if header is None or header.store_id:
            return header.store_id if header else ""
        with self.lock():
            header = self.read()
            if header is not None and not header.store_id:
                header = with_store_id(header)
                self.write(header)
        return header.store_id if header else ""

    def write(self, header: StoreHeader) -> None:
        """Replace the header; the new header survives a power cut once this method has returned.

        Raises:
            InitialisationError: The file cannot be written.
        """
        try:
            replace_private(self.path, header.file_content())
        except OSError as error:
            raise InitialisationError(f"cannot write {self.path}", error.strerror or "") from error


def _checksum(content: Mapping[str, Any]) -> str:
    fields = {name: value for name, value in content.items() if name != _CHECKSUM}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def starting_over_advice(data_path: Path) -> str:
    """Return the advice for a store that cannot be opened: move its files away and restore a snapshot."""
    parts = f"{STORE_NAME}, journal.*, handover.json and {SHARDS_NAME}"
    return f"Move {parts} from {data_path} to another folder, then run: cloudops-nb backup restore"


def with_store_id(header: StoreHeader) -> StoreHeader:
    """Return a copy of the header that keeps its store id or, if it has none, has a new one."""
    return header.model_copy(update={"store_id": header.store_id or uuid.uuid4().hex})


def prepare_data_path(path: Path) -> None:
    """Create the store's folder with mode 0700, or check that the existing folder is usable.

    Raises:
        InitialisationError: The path is a file; or the folder cannot be created or written to, belongs to another user,
            is writable by every user, or is on a network file system.
    """
    fix = "Choose another data_path."
    refuse_network_file_system(path)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except FileExistsError:
        raise InitialisationError(f"the data path {path} cannot be used", "it is not a folder", fix) from None
    except OSError as error:
        raise InitialisationError(f"the data path {path} cannot be used", error.strerror or "", fix) from error
    reason = _folder_problem(path, status)
    if reason:
        raise InitialisationError(f"the data path {path} cannot be used", reason, fix)


def _folder_problem(path: Path, status: os.stat_result) -> str:
    if POSIX and status.st_uid != os.geteuid():
        return "it belongs to another user"
    if POSIX and status.st_mode & stat.S_IWOTH:
        return "every user can write to it"
    return "" if os.access(path, os.W_OK | os.X_OK) else "it is not writable"
