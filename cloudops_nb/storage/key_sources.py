"""Where a master key can be kept: the operating system's keyring, a private file, or the environment."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Protocol

from cloudops_nb.errors import CloudOpsWarning, EncryptionError
from cloudops_nb.settings import KEY_VARIABLE
from cloudops_nb.storage.keys import MasterKey
from cloudops_nb.storage.private_files import POSIX, open_to_others, replace_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class KeySource(Protocol):
    """A place for one master key."""

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
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_private(self.path, key.hex().encode() + b"\n")
        except OSError as error:
            raise EncryptionError(f"cannot write {self.name}", error.strerror or "") from error
        check_kept(self, key)


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
