"""Where a master key can be kept: the operating system's keyring, a private file, or the environment."""

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
    """A place for one master key, with slots beside it for further ones."""

    @property
    def name(self) -> str:
        """What the place is called in a message."""

    @property
    def writable(self) -> bool:
        """Whether a new key can be kept here."""

    def load(self) -> MasterKey | None:
        """Return the key, or ``None`` if there definitely is none.

        Raises:
            EncryptionError: The place cannot be read just now, or what it holds is no key.
        """

    def save(self, key: MasterKey) -> None:
        """Keep a new key, and read it back.

        Raises:
            EncryptionError: The key was not kept.
        """

    def remove(self) -> None:
        """Remove the key; does nothing where there is none.

        Raises:
            EncryptionError: It is still there.
        """

    def slot(self, fingerprint: str) -> KeySource | None:
        """Return the place beside this one for the key with a fingerprint, ``None`` where there can be none.

        A key that a store no longer uses stays in its slot, because other stores, and backups, may need it.
        """

    def kept(self) -> Sequence[str]:
        """Return the fingerprints that slots are named by, as far as the place can list them."""


class FileSource:
    """A file with 64 hexadecimal digits that only its owner can read."""

    writable = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"the key file {path}"

    def load(self) -> MasterKey | None:
        """Read the file; ``None`` if it does not exist.

        Raises:
            EncryptionError: Others can read it, somebody else owns it, or its content is no key.
        """
        try:
            with self.path.open("rb") as stream:
                reason = _untrusted(os.fstat(stream.fileno()))
                text = stream.read(1024).decode("ascii", "replace")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EncryptionError(f"cannot read {self.name}", error.strerror or "") from error
        if reason:
            raise EncryptionError(f"{self.name} is not private", reason, f"Run: chmod 600 {self.path}")
        return MasterKey.from_hex(text, source=self.name)

    def save(self, key: MasterKey) -> None:
        """Write the file with mode 0600, its folder with 0700.

        Raises:
            EncryptionError: The folder does not allow it.
        """
        try:
            file = self._file()
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_private(file, key.hex().encode() + b"\n")
        except OSError as error:
            raise EncryptionError(f"cannot write {self.name}", error.strerror or "") from error
        check_kept(self, key)

    def remove(self) -> None:
        """Remove the file, durably.

        Raises:
            EncryptionError: The folder does not allow it.
        """
        try:
            file = self._file()
            file.unlink(missing_ok=True)
            if file.parent.exists():
                sync_folder(file.parent)
        except OSError as error:
            raise EncryptionError(f"cannot remove {self.name}", error.strerror or "") from error

    def slot(self, fingerprint: str) -> FileSource:
        """Return the file beside this one whose name ends with the fingerprint; beside what a link leads to."""
        file = self._file()
        return FileSource(file.with_name(f"{file.name}.{fingerprint}"))

    def kept(self) -> list[str]:
        """Return the fingerprints in the names of the files beside this one.

        Raises:
            EncryptionError: The folder cannot be listed.
        """
        file = self._file()
        try:
            names = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
        except OSError as error:
            raise EncryptionError(f"cannot look for keys beside {self.name}", error.strerror or "") from error
        endings = (name.removeprefix(f"{file.name}.") for name in names if name.startswith(f"{file.name}."))
        return sorted(ending for ending in endings if _FINGERPRINT.fullmatch(ending))

    def _file(self) -> Path:
        # Stores whose settings name one file by several links must find each other's slots.
        try:
            return self.path.resolve()
        except (OSError, RuntimeError) as error:
            raise EncryptionError(f"cannot read {self.name}", "its links lead nowhere") from error


class EnvironmentSource:
    """The variable ``CLOUDOPS_ENCRYPTION_KEY``; every process started from the kernel can read it, hence a warning."""

    writable = False
    name = f"the environment variable {KEY_VARIABLE}"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def load(self) -> MasterKey | None:
        """Read the variable, with a :class:`CloudOpsWarning` if it is set.

        Raises:
            EncryptionError: Its content is no key.
        """
        text = self._environment.get(KEY_VARIABLE, "")
        if not text:
            return None
        advice = "every program started from this process can read it; a keyring or a key file keeps it better"
        warnings.warn(f"the encryption key is in {self.name}: {advice}", CloudOpsWarning, stacklevel=2)
        return MasterKey.from_hex(text, source=self.name)

    def save(self, key: MasterKey) -> None:
        """Refuse: a process cannot change the environment that it is started with.

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
        """Return ``None``: there is one variable."""

    def kept(self) -> list[str]:
        """Return nothing, as there are no slots."""
        return []


def check_kept(source: KeySource, key: MasterKey) -> None:
    """Read a key back from where it was just saved.

    Raises:
        EncryptionError: It is not there, or not the same.
    """
    kept = source.load()
    if kept is None or kept != key:
        raise EncryptionError(f"{source.name} did not keep the new key", "it was not there when read back")


def _untrusted(status: os.stat_result) -> str:
    if open_to_others(status):
        return "its mode lets others read it"
    # Root's files are accepted, because that is how secrets are mounted into containers.
    if POSIX and status.st_uid not in (os.geteuid(), 0):
        return "it belongs to another user"
    return ""
