"""The places that can hold a master key: the KeySource protocol, a private file, and the environment."""

from __future__ import annotations

import os
import re
import warnings
from typing import TYPE_CHECKING, Protocol

from cloudops_nb.errors import CloudOpsWarning, EncryptionError
from cloudops_nb.settings import KEY_VARIABLE
from cloudops_nb.storage.files.private_files import POSIX, open_to_others, replace_private, sync_folder
from cloudops_nb.storage.keys.master_key import MasterKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_FINGERPRINT = re.compile("[0-9a-f]{32}")


class KeySource(Protocol):
    """A place for one master key, with slots for further keys next to it."""

    @property
    def name(self) -> str:
        """The name of the place in messages."""

    @property
    def writable(self) -> bool:
        """Whether a new key can be saved here."""

    def load(self) -> MasterKey | None:
        """Return the key, or ``None`` if the place certainly holds none.

        Raises:
            EncryptionError: The place cannot be read at the moment, or its content is not a key.
        """

    def save(self, key: MasterKey) -> None:
        """Save a key, and read it back.

        Raises:
            EncryptionError: The key was not saved.
        """

    def remove(self) -> None:
        """Remove the key, if there is one.

        Raises:
            EncryptionError: The key could not be removed.
        """

    def slot(self, fingerprint: str) -> KeySource | None:
        """Return the slot for the key with a fingerprint; ``None`` if the place has no slots.

        A key that a store no longer uses stays in its slot, because other stores and backups may need it.
        """

    def kept(self) -> Sequence[str]:
        """Return the fingerprints of the keys in slots, as far as the place can list them."""


class FileSource:
    """A file with 64 hexadecimal digits that only its owner can read."""

    writable = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"the key file {path}"

    def load(self) -> MasterKey | None:
        """Read the file; ``None`` if it does not exist.

        Raises:
            EncryptionError: Others can read it, another user owns it, or its content is not a key.
        """
        try:
            with self.path.open("rb") as stream:
                reason = _privacy_problem(os.fstat(stream.fileno()))
                text = stream.read(1024).decode("ascii", "replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EncryptionError(f"cannot read {self.name}", error.strerror or "") from error
        if reason:
            raise EncryptionError(f"{self.name} is not private", reason, f"Run: chmod 600 {self.path}")
        return MasterKey.from_hex(text, source=self.name)

    def save(self, key: MasterKey) -> None:
        """Write the file with mode 0600, and its folder with 0700.

        Raises:
            EncryptionError: The file cannot be written.
        """
        try:
            file = self._resolved_path()
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_private(file, key.hex().encode() + b"\n")
        except OSError as error:
            raise EncryptionError(f"cannot write {self.name}", error.strerror or "") from error
        verify_saved(self, key)

    def remove(self) -> None:
        """Remove the file; the removal survives a power cut.

        Raises:
            EncryptionError: The file cannot be removed.
        """
        try:
            file = self._resolved_path()
            file.unlink(missing_ok=True)
            if file.parent.exists():
                sync_folder(file.parent)
        except OSError as error:
            raise EncryptionError(f"cannot remove {self.name}", error.strerror or "") from error

    def slot(self, fingerprint: str) -> FileSource:
        """Return the file whose name is this file's, after resolving links, followed by the fingerprint."""
        file = self._resolved_path()
        return FileSource(file.with_name(f"{file.name}.{fingerprint}"))

    def kept(self) -> list[str]:
        """Return the fingerprints in the names of the slot files.

        Raises:
            EncryptionError: The folder cannot be listed.
        """
        file = self._resolved_path()
        try:
            names = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
        except OSError as error:
            raise EncryptionError(f"cannot look for keys next to {self.name}", error.strerror or "") from error
        endings = (name.removeprefix(f"{file.name}.") for name in names if name.startswith(f"{file.name}."))
        return sorted(ending for ending in endings if _FINGERPRINT.fullmatch(ending))

    def _resolved_path(self) -> Path:
        # Stores whose settings name one file through different links must find each other's slots.
        try:
            return self.path.resolve()
        except (OSError, RuntimeError) as error:
            raise EncryptionError(f"cannot read {self.name}", "it is a link in a circle") from error


class EnvironmentSource:
    """The variable ``CLOUDOPS_ENCRYPTION_KEY``; loading warns, because every process started from here can read it."""

    writable = False
    name = f"the environment variable {KEY_VARIABLE}"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def load(self) -> MasterKey | None:
        """Read the variable, with a :class:`CloudOpsWarning` if it is set.

        Raises:
            EncryptionError: Its content is not a key.
        """
        text = self._environment.get(KEY_VARIABLE, "")
        if not text:
            return None
        advice = "every program started from this process can read it; a keyring or a key file keeps it better"
        warnings.warn(f"the encryption key is in {self.name}: {advice}", CloudOpsWarning, stacklevel=2)
        return MasterKey.from_hex(text, source=self.name)

    def save(self, key: MasterKey) -> None:
        """Refuse: a process cannot change the environment it is started with.

        Raises:
            EncryptionError: Always.
        """
        raise EncryptionError(f"{key!r} cannot be kept in {self.name}")

    def remove(self) -> None:
        """Refuse, as :meth:`save` does.

        Raises:
            EncryptionError: Always.
        """
        raise EncryptionError(f"the key cannot be removed from {self.name}", "", "Unset it where it is set.")

    def slot(self, fingerprint: str) -> None:
        """Return ``None``: there is only one variable."""

    def kept(self) -> list[str]:
        """Return an empty list: there are no slots."""
        return []


def verify_saved(source: KeySource, key: MasterKey) -> None:
    """Read a key back from the source that it was just saved to.

    Raises:
        EncryptionError: The source has no key or another one.
    """
    kept = source.load()
    if kept is None or kept != key:
        raise EncryptionError(f"{source.name} did not keep the new key", "it was not there when read back")


def _privacy_problem(status: os.stat_result) -> str:
    if open_to_others(status):
        return "its mode lets others read it"
    # Root's files are accepted, because secrets mounted into containers belong to root.
    if POSIX and status.st_uid not in (os.geteuid(), 0):
        return "it belongs to another user"
    return ""
